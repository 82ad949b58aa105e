import { type Static, Type } from "typebox";

/** Where Debian's golang-github-containers-common puts a profile like Docker's. */
export const defaultSeccompProfile = "/usr/share/containers/seccomp.json";

/** `[plugins.containerd]`: which containerd, how it runs containers, and how much an image may ask of the host. */
export const settingsSchema = Type.Object({
  address: Type.Optional(Type.String({
    minLength: 1,
    description:
      "Socket of a containerd that runs already, /run/containerd/containerd.sock. Without it Berth starts and supervises a private one under its data directory.",
  })),
  binary: Type.String({
    default: "containerd",
    minLength: 1,
    description: "Executable of the private containerd: a name on the PATH, or an absolute path.",
  }),
  runtime: Type.String({
    default: "io.containerd.runc.v2",
    minLength: 1,
    description: "containerd runtime that runs containers.",
  }),
  runc: Type.String({
    default: "runc",
    minLength: 1,
    description: "OCI runtime that the runc shim calls: a name on the PATH, or an absolute path.",
  }),
  seccompProfile: Type.String({
    default: defaultSeccompProfile,
    description:
      "File in the format of Docker's seccomp profiles that says which system calls containers may make. The default is the one of the Debian package golang-github-containers-common; without it containers may make all, and `docker info` warns. Empty lets containers make all, without a warning.",
  }),
  snapshotter: Type.String({
    default: "overlayfs",
    minLength: 1,
    description:
      "containerd snapshotter that holds unpacked layers. overlayfs needs a kernel with it; native copies every layer and is slow and large.",
  }),
  logLevel: Type.Union([
    Type.Literal("error"),
    Type.Literal("warn"),
    Type.Literal("info"),
    Type.Literal("debug"),
  ], {
    default: "warn",
    description: "What the private containerd writes to containerd/containerd.log under the data directory.",
  }),
  concurrentLayers: Type.Integer({
    default: 3,
    minimum: 1,
    maximum: 16,
    description:
      "Layers of one pull that are downloaded at a time. More helps far registries, and costs memory.",
  }),
  concurrentDownloads: Type.Integer({
    default: 8,
    minimum: 1,
    maximum: 256,
    description:
      "Layers that all pulls and loads of the daemon together read at a time; the others wait their turn.",
  }),
  concurrentUnpacks: Type.Integer({
    default: 4,
    minimum: 1,
    maximum: 64,
    description:
      "Layers of all jobs that are unpacked at a time. Each takes a processor; those of one image follow one another.",
  }),
  maxLayers: Type.Integer({
    default: 128,
    minimum: 1,
    maximum: 500,
    description: "Layers an image may have. overlayfs itself ends near 500.",
  }),
  maxConfigBytes: Type.Integer({
    default: 8 * 1024 * 1024,
    minimum: 1024,
    description: "Size an image's configuration may have; it is held in memory.",
  }),
  maxAttestationBytes: Type.Integer({
    default: 64 * 1024 * 1024,
    minimum: 0,
    description:
      "Size that the attestations of one image may have together, such as its provenance and list of contents. They are kept with it for push and save.",
  }),
  maxLayerBytes: Type.Integer({
    default: 20 * 1024 ** 3,
    minimum: 1024,
    description:
      "Disk space one layer may take when unpacked. A small file can unpack to a full disk; too low a limit refuses large images.",
  }),
  maxLayerFiles: Type.Integer({
    default: 2_000_000,
    minimum: 1,
    description: "Files and directories one layer may unpack to, so that no image uses up the disk's inodes.",
  }),
  maxImageBytes: Type.Integer({
    default: 64 * 1024 ** 3,
    minimum: 1024,
    description:
      "Disk space that all layers of an image may take together when unpacked. Also what its layers may claim to be together as they travel: more is refused before anything is fetched.",
  }),
  maxImageFiles: Type.Integer({
    default: 5_000_000,
    minimum: 1,
    description: "Files and directories that all layers of an image may unpack to together.",
  }),
}, { additionalProperties: false });

export type Settings = Static<typeof settingsSchema>;

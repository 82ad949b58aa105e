import type { Settings } from "./settings.ts";

/** Where a private containerd keeps what, all under one directory. */
export interface PrivatePaths {
  readonly dir: string;
  readonly config: string;
  /** The gRPC socket. */
  readonly address: string;
  readonly log: string;
  readonly root: string;
  readonly state: string;
  /** Where containerd keeps blobs that are being written. Source: containerd, docs/content-flow.md. */
  readonly ingest: string;
  /** Where containerd mounts snapshots for a moment while it unpacks; never in the host's /tmp. */
  readonly temporary: string;
}

export function privatePaths(dir: string): PrivatePaths {
  return {
    dir,
    config: `${dir}/config.toml`,
    address: `${dir}/containerd.sock`,
    log: `${dir}/containerd.log`,
    root: `${dir}/root`,
    state: `${dir}/state`,
    ingest: `${dir}/root/io.containerd.content.v1.content/ingest`,
    temporary: `${dir}/tmp`,
  };
}

/** Longest path that fits a Unix socket address, in bytes (sun_path less its end). */
const longestSocketPath = 107;

/** containerd puts a second socket beside its own. */
const secondSocketSuffix = ".ttrpc";

/** Throws when the data directory's path is too long for containerd's sockets. */
export function checkSocketPath(address: string): void {
  const over = Buffer.byteLength(address + secondSocketSuffix) - longestSocketPath;
  if (over > 0) {
    throw new Error(
      `${address} is ${over} bytes too long for a Unix socket; choose a shorter data directory`,
    );
  }
}

/** Plugins of containerd that nothing here calls: each costs time at start, and some warn about missing tools. */
const needless = [
  "io.containerd.cri.v1.images",
  "io.containerd.cri.v1.runtime",
  "io.containerd.grpc.v1.cri",
  "io.containerd.internal.v1.opt",
  "io.containerd.internal.v1.restart",
  "io.containerd.internal.v1.tracing",
  // Opens a socket under /var/run, the same for every containerd of the host.
  "io.containerd.nri.v1.nri",
  "io.containerd.tracing.processor.v1.otlp",
];

const snapshotters = ["aufs", "blockfile", "btrfs", "devmapper", "erofs", "native", "overlayfs", "zfs"];

/**
 * The private containerd's configuration. Content is isolated by namespace: with containerd's default, a blob that
 * another namespace has would count as written here without anybody having brought it.
 */
export function privateConfig(
  paths: PrivatePaths,
  settings: Pick<Settings, "logLevel" | "snapshotter">,
): string {
  const disabled = [
    ...needless,
    ...snapshotters.filter((name) => name !== settings.snapshotter).map((name) =>
      `io.containerd.snapshotter.v1.${name}`
    ),
  ];
  return `# Written by Berth at every start; changes are lost.
version = 2
root = ${quoted(paths.root)}
state = ${quoted(paths.state)}
temp = ${quoted(paths.temporary)}
oom_score = -999
disabled_plugins = [${disabled.map(quoted).join(", ")}]

[grpc]
address = ${quoted(paths.address)}

[debug]
level = ${quoted(settings.logLevel)}

[plugins."io.containerd.metadata.v1.bolt"]
content_sharing_policy = "isolated"
`;
}

/** JSON's strings are TOML's basic strings. */
const quoted = (text: string) => JSON.stringify(text);

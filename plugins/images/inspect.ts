import { json, type Reply } from "../../core/kernel/reply.ts";
import type { ApiRequest } from "../../core/kernel/request.ts";
import type { DownShaper } from "../../core/kernel/route.ts";
import { inject } from "../../core/kernel/scope.ts";
import { invalid } from "../../core/support/errors.ts";
import type { ImageConfig } from "./backend.ts";
import { type ImageTable, ImageTableToken, type NamedImage } from "./image-table.ts";
import { checkPlatform, platformIn } from "./platform.ts";

/** `GET /images/{name}/json`. `manifests` tells none, as Docker does with its own image store. */
export class ImageInspect {
  readonly #table: ImageTable;

  constructor(@inject(ImageTableToken) table: ImageTable) {
    this.#table = table;
  }

  inspect({ params, query, version }: ApiRequest): Reply {
    const name = params.name ?? "";
    const platform = version.atLeast("1.49") ? platformIn(query, "platform") : undefined;
    if (platform && query.flag("manifests")) {
      throw invalid("conflicting options: manifests and platform options cannot both be set");
    }
    const found = this.#table.named(name);
    checkPlatform(found.image.config, name, platform);
    return json(describeImage(found));
  }
}

/** An image as API 1.51 tells it. No `Descriptor` and no `Manifests`: buildx would take them for BuildKit being there. */
function describeImage({ image, tags, digests, taggedAt }: NamedImage) {
  const { config } = image;
  return {
    Id: image.id,
    RepoTags: tags,
    RepoDigests: digests,
    Parent: "",
    Comment: config.comment ?? config.history?.at(-1)?.comment ?? "",
    ...(config.created !== undefined && { Created: config.created }),
    DockerVersion: config.docker_version ?? "",
    Author: config.author ?? "",
    Architecture: config.architecture,
    ...(config.variant && { Variant: config.variant }),
    Os: config.os,
    Size: image.sizeBytes,
    GraphDriver: { Data: null, Name: "overlayfs" },
    RootFS: { Type: config.rootfs.type, Layers: config.rootfs.diff_ids },
    Metadata: { LastTagTime: taggedAt ?? "0001-01-01T00:00:00Z" },
    Config: describeConfig(config.config ?? {}),
  };
}

/** Some fields are always there, others only when the image sets them. */
function describeConfig(config: NonNullable<ImageConfig["config"]>) {
  const { ExposedPorts, Healthcheck, StopSignal, Shell, ArgsEscaped } = config;
  return {
    ...(ExposedPorts && { ExposedPorts }),
    ...(Healthcheck && { Healthcheck }),
    ...(StopSignal && { StopSignal }),
    ...(Shell && { Shell }),
    ...(ArgsEscaped && { ArgsEscaped }),
    Cmd: config.Cmd ?? null,
    Entrypoint: config.Entrypoint ?? null,
    Env: config.Env ?? null,
    Labels: config.Labels ?? null,
    OnBuild: config.OnBuild ?? null,
    User: config.User ?? "",
    Volumes: config.Volumes ?? null,
    WorkingDir: config.WorkingDir ?? "",
  };
}

type Inspected = { Size: number; Config: object; VirtualSize?: number; ContainerConfig?: object };

const emptyContainerConfig = {
  Hostname: "",
  Domainname: "",
  User: "",
  AttachStdin: false,
  AttachStdout: false,
  AttachStderr: false,
  Tty: false,
  OpenStdin: false,
  StdinOnce: false,
  Env: null,
  Cmd: null,
  Image: "",
  Volumes: null,
  WorkingDir: "",
  Entrypoint: null,
  OnBuild: null,
  Labels: null,
};

/** What older clients expect. Source: Docker Engine 28.5, asked version by version. */
export const inspectShapes: readonly DownShaper[] = [
  {
    below: "1.50",
    shape: (body) => {
      const image = body as Inspected;
      image.Config = { ...emptyContainerConfig, ...image.Config };
      return image;
    },
  },
  {
    below: "1.45",
    shape: (body) => Object.assign(body as Inspected, { ContainerConfig: emptyContainerConfig }),
  },
  {
    below: "1.44",
    shape: (body) => Object.assign(body as Inspected, { VirtualSize: (body as Inspected).Size }),
  },
];

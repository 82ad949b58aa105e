import { inject } from "../../core/kernel/scope.ts";
import { json, type Reply } from "../../core/kernel/reply.ts";
import type { ApiRequest } from "../../core/kernel/request.ts";
import { invalid, notFound, unsupportedField } from "../../core/support/errors.ts";
import {
  type ContainerEngine,
  ContainerEngineToken,
  type ContainerSpec,
  type ImageLookup,
  ImageLookupToken,
  type StoredImage,
} from "./backend.ts";
import { checkCreateBody, type CreateBody, emptyAsSent, networkOf } from "./create/create-body.ts";
import { maskedPaths, readonlyPaths } from "./create/create-fields.ts";
import { mergeConfig, processEnv } from "./create/merge.ts";
import { type Containers, ContainersToken } from "./model/containers.ts";
import { now, rfc3339 } from "./model/instant.ts";
import { checkName, newId } from "./model/names.ts";
import type { ContainerFacts } from "./model/record.ts";

/** `POST /containers/create`. */
export class Create {
  readonly #containers: Containers;
  readonly #engine: ContainerEngine;
  readonly #images: ImageLookup;

  constructor(
    @inject(ContainersToken) containers: Containers,
    @inject(ContainerEngineToken) engine: ContainerEngine,
    @inject(ImageLookupToken) images: ImageLookup,
  ) {
    this.#containers = containers;
    this.#engine = engine;
    this.#images = images;
  }

  async create(request: ApiRequest): Promise<Reply> {
    const asked = request.query.text("name");
    const name = asked ? checkName(asked) : undefined;
    const body = checkCreateBody(await request.json());
    this.#checkCgroupNamespace(body);
    const image = this.#imageOf(body, request.query.text("platform"));
    const facts = await this.#make(name, body, image);
    return json({ Id: facts.id, Warnings: warningsFor(body, image) }, 201);
  }

  #checkCgroupNamespace({ HostConfig }: CreateBody): void {
    const wanted = HostConfig?.CgroupnsMode;
    if (!wanted || wanted === this.#engine.cgroupNamespace) return;
    throw unsupportedField("HostConfig.CgroupnsMode", `containers on this host see the host's cgroups`);
  }

  #imageOf(body: CreateBody, platform: string | undefined): StoredImage {
    if (!body.Image) throw invalid("no image specified; name one in Image");
    const wanted = platform ? parsePlatform(platform) : undefined;
    const image = this.#images.find(body.Image);
    if (wanted && !wanted(image)) {
      const { os, architecture } = image.config;
      throw notFound(
        `image with reference ${body.Image} was found but its platform (${os}/${architecture}) ` +
          `does not match the specified platform (${platform})`,
      );
    }
    return image;
  }

  async #make(name: string | undefined, body: CreateBody, image: StoredImage): Promise<ContainerFacts> {
    const id = newId();
    const config = mergeConfig(body, image.config, id);
    const claimed = this.#containers.claim(name, { id, imageId: image.id });
    const facts: ContainerFacts = {
      id,
      name: claimed,
      createdAt: rfc3339(now()),
      imageId: image.id,
      imageSizeBytes: image.sizeBytes,
      config,
      host: {
        autoRemove: body.HostConfig?.AutoRemove ?? false,
        network: networkOf(body),
        consoleSize: body.HostConfig?.ConsoleSize ?? [0, 0],
        logDriver: body.HostConfig?.LogConfig?.Type || "json-file",
        cgroupNamespace: this.#engine.cgroupNamespace,
        emptyAsSent: emptyAsSent(body),
      },
    };
    try {
      await this.#containers.add(facts, this.#engine.create(specOf(facts, image)));
    } catch (error) {
      this.#containers.unclaim(claimed);
      this.#containers.background.add(`removal of container ${id}`, this.#engine.remove(id));
      throw error;
    }
    return facts;
  }
}

function specOf({ id, config, host }: ContainerFacts, image: StoredImage): ContainerSpec {
  const [rows, columns] = host.consoleSize;
  return {
    id,
    image,
    args: [...(config.Entrypoint ?? []), ...(config.Cmd ?? [])],
    env: processEnv(config),
    workingDir: config.WorkingDir || "/",
    user: config.User,
    hostname: config.Hostname,
    domainname: config.Domainname,
    tty: config.Tty,
    openStdin: config.OpenStdin,
    network: host.network,
    maskedPaths,
    readonlyPaths,
    ...(rows > 0 && columns > 0 && { consoleSize: { rows, columns } }),
  };
}

/** Reads `os[/arch[/variant]]`; the result tells whether an image is for that. */
function parsePlatform(text: string): (image: StoredImage) => boolean {
  const parts = text.toLowerCase().split("/");
  if (parts.length > 3 || !parts.every((part) => /^[a-z0-9_.-]+$/.test(part))) {
    throw invalid(`"${text}": cannot parse platform specifier: invalid argument`);
  }
  const [first = "", second, variant] = parts;
  const os = second || first === "linux" ? first : "linux";
  const architecture = normalizeArchitecture(second ?? (first === "linux" ? undefined : first));
  return ({ config }) =>
    config.os === os && (!architecture || config.architecture === architecture) &&
    (!variant || !config.variant || config.variant === variant);
}

function normalizeArchitecture(name: string | undefined): string | undefined {
  const aliases = new Map([["x86_64", "amd64"], ["x86-64", "amd64"], ["aarch64", "arm64"]]);
  return name && (aliases.get(name) ?? name);
}

/** What the image asks for and does not get. */
function warningsFor(body: CreateBody, { config }: StoredImage): string[] {
  const warnings: string[] = [];
  const volumes = Object.keys(config.config?.Volumes ?? {});
  if (volumes.length > 0) {
    warnings.push(
      `VOLUME ${volumes.join(", ")} of the image is not supported by this engine yet: data written there ` +
        "goes with the container",
    );
  }
  const disabled = body.Healthcheck?.Test?.[0] === "NONE";
  if (config.config?.Healthcheck && !disabled) {
    warnings.push("HEALTHCHECK of the image is not supported by this engine yet: it is not run");
  }
  return warnings;
}

/** The images area of one job over fakes, without a socket: handlers called as the http layer calls them. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Job } from "../../core/kernel/job.ts";
import { type ApiRequest, Query } from "../../core/kernel/request.ts";
import type { Reply } from "../../core/kernel/reply.ts";
import { ApiVersion } from "../../core/kernel/version.ts";
import { silent } from "../../core/support/logger.ts";
import type { Undo } from "../../core/support/undo.ts";
import type {
  AcceptedLogin,
  Registries,
  RemoteDescription,
  ResolvedImage,
} from "../../plugins/images/backend.ts";
import { ImageDistribution } from "../../plugins/images/distribution.ts";
import { HeldImages } from "../../plugins/images/held-images.ts";
import { ImageTable } from "../../plugins/images/image-table.ts";
import { Spools } from "../../plugins/images/archive/spools.ts";
import { ImageImport } from "../../plugins/images/import.ts";
import { ImageHistory } from "../../plugins/images/history.ts";
import { ImageInspect } from "../../plugins/images/inspect.ts";
import { ImageList } from "../../plugins/images/list.ts";
import { ImageLoad } from "../../plugins/images/load.ts";
import { JobLogins } from "../../plugins/images/logins.ts";
import { ImagePrune } from "../../plugins/images/prune.ts";
import { ImagePull } from "../../plugins/images/pull.ts";
import { ImageRemove } from "../../plugins/images/remove.ts";
import { ImageRemover } from "../../plugins/images/remover.ts";
import { ImageSave } from "../../plugins/images/save.ts";
import { ImageTag } from "../../plugins/images/tag.ts";
import { notFound } from "../../core/support/errors.ts";
import { FakeStore } from "./fake-store.ts";
import type { SmallImage } from "./small-image.ts";

/** A registry that serves what was put into it, by the familiar name it is asked for. */
export class FakeRegistries implements Registries {
  readonly images = new Map<string, SmallImage>();
  readonly asked: Parameters<Registries["resolve"]>[] = [];

  async resolve(...asked: Parameters<Registries["resolve"]>): Promise<ResolvedImage> {
    this.asked.push(asked);
    const [{ name, tag, digest }] = asked;
    const image = this.images.get(`${name}:${tag}`) ??
      [...this.images.values()].find(({ source }) => source.manifest.digest === digest);
    if (!image) throw notFound(`manifest for ${name}:${tag} not found: manifest unknown: manifest unknown`);
    return { source: image.source, digest: image.source.manifest.digest };
  }

  readonly loggedIn: Parameters<Registries["login"]>[] = [];
  /** What the token server gives for a password. */
  identityToken: string | undefined;

  async login(...asked: Parameters<Registries["login"]>): Promise<AcceptedLogin> {
    this.loggedIn.push(asked);
    return { identityToken: this.identityToken };
  }

  async describe(...[{ name, tag }]: Parameters<Registries["describe"]>): Promise<RemoteDescription> {
    const source = this.images.get(`${name}:${tag}`)?.source;
    if (!source) throw notFound("manifest unknown: manifest unknown");
    return { descriptor: source.manifest, platforms: [] };
  }

  async tags(...[{ name }]: Parameters<Registries["tags"]>): Promise<string[]> {
    const names = [...this.images.keys()].filter((each) => each.startsWith(`${name}:`));
    return names.map((each) => each.slice(each.lastIndexOf(":") + 1));
  }
}

export async function openArea(
  undo: Undo,
  {
    dir,
    store = new FakeStore(),
    defaultRegistry = "docker.io",
    importFromUrls = true,
    loadLimitBytes = 1024 * 1024,
  }: {
    dir?: string;
    store?: FakeStore;
    defaultRegistry?: string;
    importFromUrls?: boolean;
    loadLimitBytes?: number;
  } = {},
) {
  const job = await jobIn(undo, dir);
  const settings = { defaultRegistry, loadLimitBytes, importFromUrls };
  const registries = new FakeRegistries();
  const table = new ImageTable(job);
  await table.open();
  const held = new HeldImages(store, table);
  const spools = new Spools(job, settings);
  await spools.open();
  const imports = new ImageImport(spools, held, table, settings);
  const logins = new JobLogins(registries, settings);
  held.open();
  const remover = new ImageRemover(table, held);
  return {
    job,
    store,
    registries,
    table,
    held,
    list: new ImageList(table),
    inspect: new ImageInspect(table),
    logins,
    pull: new ImagePull(registries, held, table, settings, logins, store, imports),
    distribution: new ImageDistribution(registries, logins, settings),
    tag: new ImageTag(table, held),
    remove: new ImageRemove(table, remover),
    prune: new ImagePrune(table, remover),
    history: new ImageHistory(table),
    load: new ImageLoad(spools, held, table),
    save: new ImageSave(table, store, held),
  };
}

async function jobIn(undo: Undo, dir?: string): Promise<Job> {
  const made = dir ?? await mkdtemp(join(tmpdir(), "berth-images-"));
  if (!dir) undo.add("job directory", () => rm(made, { recursive: true, force: true }));
  return {
    id: "j1",
    labels: {},
    dir: made,
    socketPath: join(made, "d.sock"),
    openedAt: new Date(),
    signal: new AbortController().signal,
    log: silent,
    abandoned: false,
  };
}

interface RequestParts {
  readonly query?: Record<string, string>;
  readonly name?: string;
  readonly headers?: Record<string, string>;
  readonly body?: AsyncIterable<Uint8Array> | Uint8Array;
  readonly version?: ApiVersion;
  readonly signal?: AbortSignal;
}

/** A request with these parts. */
export function request(
  { query = {}, name = "", headers = {}, body, ...rest }: RequestParts = {},
): ApiRequest {
  return {
    method: "GET",
    path: "/",
    params: { name },
    query: new Query(new URLSearchParams(query)),
    headers,
    version: new ApiVersion(1, 51),
    body: body instanceof Uint8Array ? once(body) : body ?? once(),
    json: async () => undefined,
    signal: new AbortController().signal,
    ...rest,
  };
}

async function* once(bytes?: Uint8Array): AsyncIterable<Uint8Array> {
  if (bytes) yield bytes;
}

/** The body of a JSON reply. */
export function bodyOf<T>(reply: Reply): T {
  if (reply.kind !== "json") throw new Error(`expected a JSON reply, got ${reply.kind}`);
  return reply.body as T;
}

/** All lines of a reply that streams JSON. */
export async function linesOf(reply: Reply): Promise<Record<string, unknown>[]> {
  if (reply.kind !== "lines") throw new Error(`expected lines, got ${reply.kind}`);
  const all: Record<string, unknown>[] = [];
  for await (const line of reply.body) all.push(line as Record<string, unknown>);
  return all;
}

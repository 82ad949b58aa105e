/** One job's containers area on a fake engine, called as the http layer would call it, without a socket. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Job, JobToken } from "../../core/kernel/job.ts";
import type { Connection, Reply } from "../../core/kernel/reply.ts";
import { type ApiRequest, Query } from "../../core/kernel/request.ts";
import { Scope, type Token } from "../../core/kernel/scope.ts";
import { ApiVersion, currentApiVersion } from "../../core/kernel/version.ts";
import { notFound } from "../../core/support/errors.ts";
import { silent } from "../../core/support/logger.ts";
import type { Undo } from "../../core/support/undo.ts";
import {
  ContainerEngineToken,
  type ImageLookup,
  ImageLookupToken,
  type ImageUsers,
  type StoredImage,
} from "../../plugins/containers/backend.ts";
import containers from "../../plugins/containers/plugin.ts";
import { FakeEngine, fakeImage } from "./fake-engine.ts";
import { FakeInput } from "./fake-input.ts";

/** What to send besides method and path. */
export interface Sent {
  readonly body?: unknown;
  readonly version?: string;
  readonly signal?: AbortSignal;
  readonly headers?: Record<string, string>;
}

/** Images by name; a test may change them. */
export class FakeImages implements ImageLookup {
  readonly byName = new Map<string, StoredImage>([["busybox", fakeImage()]]);
  users: ImageUsers | undefined;

  find(name: string): StoredImage {
    const found = this.byName.get(name) ?? [...this.byName.values()].find(({ id }) => id === name);
    if (!found) throw notFound(`No such image: ${name}:latest`);
    return found;
  }

  referencesTo(imageId: string): string[] {
    return [...this.byName].filter(([, { id }]) => id === imageId).map(([name]) => `${name}:latest`);
  }

  askForUsers(users: ImageUsers): void {
    this.users = users;
  }
}

/** See above. */
export class TestJob {
  readonly engine = new FakeEngine();
  readonly images = new FakeImages();
  readonly #abort = new AbortController();
  readonly #scope: Scope;

  private constructor(dir: string, abandoned: boolean) {
    const daemon = Scope.daemon();
    daemon.build();
    this.#scope = daemon.job("j1");
    const job: Job = {
      id: "j1",
      labels: {},
      dir,
      socketPath: "",
      openedAt: new Date(),
      signal: this.#abort.signal,
      log: silent,
      abandoned,
    };
    this.#scope.bind(JobToken, { value: job });
    this.#scope.bind(ContainerEngineToken, { value: this.engine });
    this.#scope.bind(ImageLookupToken, { value: this.images });
    containers.job?.(this.#scope, undefined as never, job);
  }

  /** Opens one; it closes with the test. */
  static async open(undo: Undo, dir?: string, abandoned = false): Promise<TestJob> {
    const place = dir ?? await temporaryDir(undo);
    const job = new TestJob(place, abandoned);
    await job.#scope.open();
    undo.add("job", () => job.close());
    return job;
  }

  async close(): Promise<void> {
    this.#abort.abort(new DOMException("the job closes", "AbortError"));
    await this.#scope.close();
    await this.engine.close();
  }

  get<T>(token: Token<T>): T {
    return this.#scope.get(token);
  }

  /** Calls a handler as the router would. */
  async call(method: string, target: string, sent: Sent = {}): Promise<Reply> {
    const url = new URL(target, "http://job");
    const { handler, call, params } = routeTo(method, url.pathname);
    const object = this.#scope.get(handler) as Record<
      string,
      (request: ApiRequest) => Reply | Promise<Reply>
    >;
    return await object[call]!(this.#request(method, url, params, sent));
  }

  /** The JSON of a reply, whether it comes at once or as a line. */
  async json<T = Record<string, unknown>>(method: string, target: string, sent?: Sent): Promise<T> {
    const reply = await this.call(method, target, sent);
    if (reply.kind === "json") return JSON.parse(JSON.stringify(reply.body)) as T;
    if (reply.kind === "lines") { for await (const line of reply.body) return line as T; }
    throw new Error(`${method} ${target} answered ${reply.kind}`);
  }

  /** Makes a container; returns its ID. */
  async create(name: string, args: readonly string[], more: Record<string, unknown> = {}): Promise<string> {
    const body = { Image: "busybox", Cmd: args, ...more };
    return (await this.json<{ Id: string }>("POST", `/containers/create?name=${name}`, { body })).Id;
  }

  /** Makes, starts and awaits a container; returns its ID. */
  async run(name: string, args: readonly string[], more?: Record<string, unknown>): Promise<string> {
    const id = await this.create(name, args, more);
    const ended = this.json("POST", `/containers/${id}/wait?condition=next-exit`);
    await this.call("POST", `/containers/${id}/start`);
    await ended;
    return id;
  }

  /** The whole of a streamed body. */
  async bytes(target: string, sent?: Sent): Promise<Buffer> {
    const reply = await this.call("GET", target, sent);
    if (reply.kind !== "stream") throw new Error(`${target} answered ${reply.kind}`);
    const chunks: Uint8Array[] = [];
    for await (const chunk of reply.body) chunks.push(chunk);
    return Buffer.concat(chunks);
  }

  /** Attaches a client. */
  async attach(target: string, sent?: Sent): Promise<Client> {
    const reply = await this.call("POST", target, { headers: { upgrade: "tcp" }, ...sent });
    if (reply.kind !== "hijack") throw new Error(`${target} answered ${reply.kind}`);
    const client = new Client(reply.contentType);
    client.ended = reply.run(client);
    return client;
  }

  #request(method: string, url: URL, params: Record<string, string>, sent: Sent): ApiRequest {
    return {
      method,
      path: url.pathname,
      params,
      query: new Query(url.searchParams),
      headers: sent.headers ?? {},
      version: ApiVersion.parse(sent.version ?? "") ?? currentApiVersion,
      body: new FakeInput(),
      json: async <T>() => sent.body as T | undefined,
      signal: sent.signal ?? this.#abort.signal,
    };
  }
}

function routeTo(method: string, path: string) {
  const segments = path.split("/");
  for (const route of containers.routes ?? []) {
    const pattern = route.path.split("/");
    if (route.method !== method || pattern.length !== segments.length) continue;
    const params: Record<string, string> = {};
    const fits = pattern.every((part, index) => {
      if (!part.startsWith("{")) return part === segments[index];
      params[part.slice(1, -1)] = decodeURIComponent(segments[index]!);
      return true;
    });
    if (fits) return { ...route, params };
  }
  throw new Error(`no route for ${method} ${path}`);
}

/** The client's end of a hijacked connection. */
export class Client implements Connection {
  readonly input = new FakeInput();
  readonly contentType: string;
  readonly received: Uint8Array[] = [];
  /** Writes wait for this: a slow reader. */
  gate: Promise<void> = Promise.resolve();
  ended: Promise<void> = Promise.resolve();
  readonly #gone = new AbortController();

  constructor(contentType: string) {
    this.contentType = contentType;
  }

  get signal(): AbortSignal {
    return this.#gone.signal;
  }

  get text(): string {
    return Buffer.concat(this.received).toString("latin1");
  }

  async write(chunk: Uint8Array): Promise<void> {
    await this.gate;
    if (this.#gone.signal.aborted) throw new Error("the client is gone");
    this.received.push(Uint8Array.from(chunk));
  }

  vanish(): void {
    this.#gone.abort(new DOMException("the client is gone", "AbortError"));
    this.input.end();
  }
}

export async function temporaryDir(undo: Undo): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "containers-test-"));
  undo.add("directory", () => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** A registry that takes uploads: honestly, or as the test says. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Undo } from "../../core/support/undo.ts";
import type { BlobUpload } from "../../plugins/push/backend.ts";
import { Network } from "../../plugins/registry/network.ts";
import { HttpPushRegistries } from "../../plugins/registry/upload-registries.ts";
import { sha256 } from "../contract/image-store-fixtures.ts";
import { listen } from "../support/http-server.ts";
import { settings } from "./client.ts";

/** Answers a request, or says false to leave it to the registry. */
type Answerer = (request: IncomingMessage, response: ServerResponse, body: Buffer) => boolean | void;

/** A registry in memory. */
export class UploadServer {
  readonly host: string;
  /** `PATCH /v2/app/blobs/uploads/1 0-9`, with a content range when there was one, in the order they came. */
  readonly log: string[] = [];
  readonly authorizations: (string | undefined)[] = [];
  readonly blobs = new Map<string, Buffer>();
  readonly uploads = new Map<string, Buffer>();
  readonly manifests = new Map<string, Buffer>();
  /** Asked when a request's head is there: may break the connection, or answer early. */
  early: Answerer = () => false;
  /** Asked when a request's body is there too, before the registry itself. */
  answer: Answerer = () => false;
  /** Bytes of an upload's request after which the connection breaks, once each. */
  readonly breakAfter: number[] = [];
  #count = 0;

  constructor(host: string) {
    this.host = host;
  }

  async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const range = request.headers["content-range"];
    this.log.push(`${request.method} ${request.url?.split("?")[0]}${range ? ` ${range}` : ""}`);
    this.authorizations.push(request.headers.authorization);
    if (this.early(request, response, Buffer.alloc(0)) !== false) return;
    const body = await this.#bodyOf(request).catch(() => undefined);
    if (!body || this.answer(request, response, body) !== false) return;
    this.#answer(request, response, body);
  }

  async #bodyOf(request: IncomingMessage): Promise<Buffer | undefined> {
    const parts: Buffer[] = [];
    let size = 0;
    const limit = request.method === "PATCH" ? this.breakAfter.shift() : undefined;
    for await (const chunk of request) {
      const rest = limit === undefined ? chunk : chunk.subarray(0, limit - size);
      parts.push(rest);
      size += rest.length;
      if (size !== limit) continue;
      // What came is kept, as real registries do.
      this.#append(request, Buffer.concat(parts));
      request.socket.destroy();
      return undefined;
    }
    return Buffer.concat(parts);
  }

  #append(request: IncomingMessage, bytes: Buffer): Buffer {
    const all = Buffer.concat([this.uploads.get(keyOf(request)) ?? Buffer.alloc(0), bytes]);
    this.uploads.set(keyOf(request), all);
    return all;
  }

  #answer(request: IncomingMessage, response: ServerResponse, body: Buffer): void {
    const url = new URL(request.url!, "http://registry");
    const { pathname } = url;
    const name = pathname.split("/").at(-1)!;
    if (pathname.includes("/manifests/")) return this.#manifest(request, response, name, body);
    if (request.method === "HEAD") return void response.writeHead(this.blobs.has(name) ? 200 : 404).end();
    if (request.method === "POST") return this.#open(url, response);
    const upload = this.uploads.get(keyOf(request));
    if (!upload) return void response.writeHead(pathname === "/v2/" ? 200 : 404).end();
    if (request.method === "DELETE") {
      this.uploads.delete(keyOf(request));
      return void response.writeHead(204).end();
    }
    if (request.method === "GET") return this.#where(response, pathname, upload, 204);
    if (request.method === "PATCH") {
      return this.#where(response, pathname, this.#append(request, body), 202);
    }
    this.#commit(request, response, url.searchParams.get("digest")!, body);
  }

  #open({ pathname, searchParams }: URL, response: ServerResponse): void {
    const mounted = searchParams.get("mount");
    if (mounted !== null && this.blobs.has(mounted)) return void response.writeHead(201).end();
    const path = `${pathname}${++this.#count}`;
    this.uploads.set(path, Buffer.alloc(0));
    this.#where(response, path, Buffer.alloc(0), 202);
  }

  #where(response: ServerResponse, location: string, { length }: Buffer, status: number): void {
    response.writeHead(status, { location, range: `0-${Math.max(0, length - 1)}` }).end();
  }

  #commit(request: IncomingMessage, response: ServerResponse, digest: string, body: Buffer): void {
    const blob = this.#append(request, body);
    if (sha256(blob) !== digest) return void refuse(response, 400, "DIGEST_INVALID");
    this.blobs.set(digest, blob);
    this.uploads.delete(keyOf(request));
    response.writeHead(201, { "docker-content-digest": digest }).end();
  }

  #manifest(request: IncomingMessage, response: ServerResponse, name: string, body: Buffer): void {
    if (request.method === "HEAD") return void response.writeHead(this.manifests.has(name) ? 200 : 404).end();
    this.manifests.set(name, body).set(sha256(body), body);
    response.writeHead(201, { "docker-content-digest": sha256(body) }).end();
  }
}

const keyOf = (request: IncomingMessage) => request.url!.split("?")[0]!;

/** An error body as registries send it. */
export function refuse(response: ServerResponse, status: number, code: string, headers = {}): void {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify({ errors: [{ code, message: code.toLowerCase().replaceAll("_", " ") }] }));
}

/** Starts a registry that stops with the test. */
export async function startUploadServer(undo: Undo): Promise<UploadServer> {
  const server = createServer();
  const registry = new UploadServer(await listen(undo, server));
  server.on("request", (request, response) => {
    request.on("error", () => {});
    void registry.serve(request, response);
  });
  return registry;
}

/** A client of the registry's repository `app`. */
export function repositoryOf(undo: Undo, { host }: UploadServer, credentials?: object, given: object = {}) {
  const all = settings(given);
  const network = new Network(all, {});
  undo.add("client", () => network.close());
  return new HttpPushRegistries(network, all).repository({ registry: host, repository: "app" }, credentials);
}

/** Bytes to upload, in chunks of 64 KiB, with what was observed. */
export function uploadOf(bytes: Uint8Array, { isKnown = true } = {}) {
  const seen = { offsets: [] as number[], sent: 0, pauses: [] as number[] };
  const upload: BlobUpload = {
    ...(isKnown && { blob: { digest: sha256(bytes), sizeBytes: bytes.length } }),
    async *read(offset) {
      seen.offsets.push(offset);
      for (let at = offset; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
    },
    observe: (sent) => seen.sent = sent,
    retrying: (afterMs) => void seen.pauses.push(afterMs),
  };
  return { upload, seen };
}

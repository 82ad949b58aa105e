/** A registry that serves what a test gives it: honestly, or as the test says. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { Undo } from "../../core/support/undo.ts";
import { type Layer, sha256 } from "../contract/image-store-fixtures.ts";
import { listen } from "./http-server.ts";

/** Answers a request, or says false to leave it to the registry. */
export type Answerer = (request: IncomingMessage, response: ServerResponse) => boolean | void;

/** What may be told otherwise than it is. */
export interface ImageLies {
  readonly diffIds?: readonly string[];
  /** Layers' descriptors, by place. */
  readonly layers?: readonly object[];
}

export class FakeRegistry {
  readonly host: string;
  /** Every request that came. */
  readonly requests: IncomingMessage[] = [];
  /** By digest; delete one to serve it no more. */
  readonly blobs = new Map<string, Uint8Array>();
  /** By `repository:tag` and `repository@digest`. */
  readonly manifests = new Map<string, { mediaType: string; bytes: Uint8Array }>();
  /** Asked before anything else. */
  answer: Answerer = () => false;

  constructor(host: string) {
    this.host = host;
  }

  /** Puts an image into a repository; returns its manifest's digest. */
  put(name: string, layers: readonly Layer[], lies: ImageLies = {}): string {
    const config = Buffer.from(JSON.stringify({
      architecture: process.arch === "arm64" ? "arm64" : "amd64",
      os: "linux",
      config: { Cmd: ["sh"], Env: ["PATH=/bin"] },
      rootfs: { type: "layers", diff_ids: lies.diffIds ?? layers.map(({ diffId }) => diffId) },
    }));
    const descriptor = (mediaType: string, digest: string, size: number) => ({ mediaType, digest, size });
    const mediaType = "application/vnd.oci.image.manifest.v1+json";
    const bytes = Buffer.from(JSON.stringify({
      schemaVersion: 2,
      mediaType,
      config: descriptor("application/vnd.oci.image.config.v1+json", this.#blob(config), config.length),
      layers: lies.layers ?? layers.map((layer) => {
        this.blobs.set(layer.descriptor.digest, layer.blob);
        return descriptor(layer.descriptor.mediaType, layer.descriptor.digest, layer.descriptor.sizeBytes);
      }),
    }));
    const digest = sha256(bytes);
    const [repository = ""] = name.split(":");
    this.manifests.set(name, { mediaType, bytes }).set(`${repository}@${digest}`, { mediaType, bytes });
    return digest;
  }

  /** Answers as an honest registry does. */
  serve(request: IncomingMessage, response: ServerResponse): void {
    this.requests.push(request);
    if (this.answer(request, response) !== false) return;
    const [, repository = "", kind, name = ""] =
      /^\/v2\/(.+)\/(manifests|blobs)\/([^/?]+)$/.exec(request.url ?? "") ?? [];
    const separator = name.startsWith("sha256:") ? "@" : ":";
    if (kind === "manifests") return this.#manifest(response, `${repository}${separator}${name}`);
    const blob = this.blobs.get(name);
    if (kind === "blobs" && blob) return sendRange(request, response, blob);
    response.writeHead(request.url === "/v2/" ? 200 : 404).end();
  }

  #manifest(response: ServerResponse, name: string): void {
    const manifest = this.manifests.get(name);
    if (!manifest) return void response.writeHead(404).end();
    response.writeHead(200, { "content-type": manifest.mediaType }).end(manifest.bytes);
  }

  #blob(bytes: Uint8Array): string {
    const digest = sha256(bytes);
    this.blobs.set(digest, bytes);
    return digest;
  }
}

function sendRange(request: IncomingMessage, response: ServerResponse, blob: Uint8Array): void {
  const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
  const part = blob.subarray(start);
  response.writeHead(start > 0 ? 206 : 200, {
    "content-length": part.length,
    ...(start > 0 && { "content-range": `bytes ${start}-${blob.length - 1}/${blob.length}` }),
  }).end(part);
}

/** Starts a registry that stops with the test, whatever connections it still has. */
export async function startFakeRegistry(undo: Undo): Promise<FakeRegistry> {
  const server = createServer();
  const registry = new FakeRegistry(await listen(undo, server));
  server.on("request", (request, response) => registry.serve(request, response));
  return registry;
}

/** A real docker-registry on a free loopback port, open or behind basic authentication. */
import { spawn } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Undo } from "../../core/support/undo.ts";
import { type BuiltImage, digestOf } from "./busybox-image.ts";
import { eventually } from "./test.ts";

export const registryUser = "berth";
export const registryPassword = "berth-secret";
/** bcrypt of the password above, at the lowest cost. */
const htpasswd = `${registryUser}:$2b$04$quNn4ie/GhF5YiiX9rAPE.qJg95TnjdgsNzla0ODrYDOF2/q/pSe6\n`;

/** A running registry. */
export interface TestRegistry {
  /** `127.0.0.1:PORT` */
  readonly host: string;
  /** Stores an image, its layers plain or in gzip, as `repository:tag`; returns its manifest's digest. */
  push(image: BuiltImage, repository: string, tag: string): Promise<string>;
}

/** Starts a registry that stops with the test. @param port a free one when none is given */
export async function startRegistry(undo: Undo, { auth = false, port = 0 } = {}): Promise<TestRegistry> {
  const folder = await mkdtemp(join(tmpdir(), "berth-registry-"));
  undo.add("registry's folder", () => rm(folder, { recursive: true, force: true }));
  const host = `127.0.0.1:${port || await freePort()}`;
  await writeFile(join(folder, "htpasswd"), htpasswd);
  await writeFile(join(folder, "config.yml"), registryConfig(folder, host, auth));
  const child = spawn("docker-registry", ["serve", join(folder, "config.yml")], { stdio: "ignore" });
  const exited = new Promise((resolve) => child.once("exit", resolve));
  undo.add("registry", async () => {
    child.kill("SIGKILL");
    await exited;
  });
  await eventually("the registry to answer", () => fetch(`http://${host}/v2/`).then(discard, () => false));
  const headers: Headers = auth
    ? { Authorization: `Basic ${btoa(`${registryUser}:${registryPassword}`)}` }
    : {};
  return {
    host,
    push: (image, repository, tag) => push(`http://${host}/v2/${repository}`, tag, image, headers),
  };
}

function registryConfig(folder: string, host: string, auth: boolean): string {
  const lines = [
    "version: 0.1",
    "log: { level: error }",
    `storage: { filesystem: { rootdirectory: ${folder}/data } }`,
    `http: { addr: "${host}", secret: test }`,
  ];
  if (auth) lines.push(`auth: { htpasswd: { realm: test, path: ${folder}/htpasswd } }`);
  return `${lines.join("\n")}\n`;
}

type Headers = Readonly<Record<string, string>>;

async function push(base: string, tag: string, image: BuiltImage, headers: Headers): Promise<string> {
  for (const blob of [image.config, ...image.layers]) await uploadBlob(base, blob, headers);
  const layerType = (layer: Buffer) =>
    `application/vnd.docker.image.rootfs.diff.tar${layer[0] === 0x1f ? ".gzip" : ""}`;
  const manifestType = "application/vnd.docker.distribution.manifest.v2+json";
  const manifest = Buffer.from(JSON.stringify({
    schemaVersion: 2,
    mediaType: manifestType,
    config: descriptor("application/vnd.docker.container.image.v1+json", image.config),
    layers: image.layers.map((layer) => descriptor(layerType(layer), layer)),
  }));
  await expectOk(`${base}/manifests/${tag}`, {
    method: "PUT",
    headers: { ...headers, "Content-Type": manifestType },
    body: new Uint8Array(manifest),
  });
  return digestOf(manifest);
}

function descriptor(mediaType: string, bytes: Buffer) {
  return { mediaType, size: bytes.length, digest: digestOf(bytes) };
}

async function uploadBlob(base: string, blob: Buffer, headers: Headers): Promise<void> {
  const begun = await expectOk(`${base}/blobs/uploads/`, { method: "POST", headers });
  const target = new URL(begun.headers.get("location")!, base);
  target.searchParams.set("digest", digestOf(blob));
  const type = { "Content-Type": "application/octet-stream" };
  await expectOk(target.href, {
    method: "PUT",
    headers: { ...headers, ...type },
    body: new Uint8Array(blob),
  });
}

async function expectOk(url: string, request: RequestInit): Promise<Response> {
  const response = await fetch(url, request);
  const text = await response.text();
  if (!response.ok) throw new Error(`${request.method} ${url} answered ${response.status}: ${text}`);
  return response;
}

async function discard(response: Response): Promise<boolean> {
  await response.arrayBuffer();
  return true;
}

/** A port that nobody listens on at the moment. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/**
 * Measures how fast the registry client brings a blob to nowhere: `node dist/test/registry/measure-download.js [MB]`,
 * or the same with Deno on the source. The server is a process of its own on loopback.
 */
import { spawn } from "node:child_process";
import { createServer } from "node:http";
import { createServer as createTlsServer } from "node:https";
import { readFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { Undo } from "../../core/support/undo.ts";
import { runtimeTitle, scriptCommand } from "../../core/support/runtime.ts";
import { client, never, nothingKnown } from "./client.ts";
import type { Handle } from "../support/http-server.ts";
import { digestOf, manifest, platform, registryOf } from "./manifests.ts";
import { authority } from "./tls.ts";

const chunk = Buffer.alloc(1024 * 1024, 7);

/** Any blob has as many MiB as its address says. */
const blobs: Handle = async (request, response) => {
  if (!request.url?.includes("/blobs/")) return registryOf(manifest())(request, response);
  const mib = Number(process.argv[4]);
  response.writeHead(200, { "content-length": mib * chunk.length });
  for (let at = 0; at < mib; at++) {
    if (!response.write(chunk)) await new Promise((resolve) => response.once("drain", resolve));
  }
  response.end();
};

function serveForever(folder: string): void {
  const tls = folder &&
    { cert: readFileSync(`${folder}/server.crt`), key: readFileSync(`${folder}/server.key`) };
  const server = tls ? createTlsServer(tls, blobs) : createServer(blobs);
  server.listen(0, "127.0.0.1", () => console.log((server.address() as AddressInfo).port));
}

async function startServer(undo: Undo, folder: string, mib: number): Promise<string> {
  const [program = "", ...rest] = scriptCommand;
  const child = spawn(program, [...rest, "serve", folder, String(mib)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  undo.add("server", () => void child.kill("SIGKILL"));
  const port = await new Promise<string>((resolve) =>
    child.stdout.once("data", (data) => resolve(String(data)))
  );
  return `127.0.0.1:${port.trim()}`;
}

async function measure(what: string, folder: string, mib: number, streams: number): Promise<void> {
  const undo = new Undo(what);
  const registry = await startServer(undo, folder, mib);
  const hosts = folder ? [{ host: registry, caFile: `${folder}/ca.crt` }] : [];
  const { source } = await client(undo, { hosts, idleTimeoutMs: 30_000 })
    .resolve({ registry, repository: "app" }, platform, undefined, never, nothingKnown);
  const blob = { mediaType: "x", digest: digestOf("x"), sizeBytes: mib * chunk.length };
  const started = performance.now();
  const cpu = process.cpuUsage();
  await Promise.all(Array.from({ length: streams }, async () => {
    for await (const _ of source.read(blob, 0, never));
  }));
  const seconds = (performance.now() - started) / 1000;
  const used = process.cpuUsage(cpu);
  const megabytes = streams * blob.sizeBytes / 1e6;
  const cpuPerGb = (used.user + used.system) / 1e6 / (megabytes / 1000);
  const peak = process.memoryUsage().rss / 1e6;
  console.log(
    `${what}: ${(megabytes / seconds).toFixed(0)} MB/s, ${cpuPerGb.toFixed(2)} s of CPU a GB, ${
      peak.toFixed(0)
    } MB`,
  );
  await undo.run();
}

if (process.argv[2] === "serve") serveForever(process.argv[3] ?? "");
else {
  const mib = Number(process.argv[2] ?? 500);
  const undo = new Undo("certificates");
  const by = await authority(undo);
  await by.issue("server", "IP:127.0.0.1");
  console.log(`${runtimeTitle}, ${mib} MiB`);
  await measure("plain, 1 stream", "", mib, 1);
  await measure("plain, 4 streams", "", Math.ceil(mib / 4), 4);
  await measure("TLS, 1 stream", by.folder, mib, 1);
  await undo.run();
}

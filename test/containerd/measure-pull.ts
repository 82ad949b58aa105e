/**
 * Prints how fast the stages of a cold pull are on this machine, each alone and all together, and what it costs this
 * process in memory and processor time. Not a test: run it by hand, with the address of an image in a registry that
 * needs no credentials, `127.0.0.1:5000/large:500m`, and the number of rounds (default 3).
 */
import { createHash } from "node:crypto";
import { readFile, writeFile } from "node:fs/promises";
import { Undo } from "../../core/support/undo.ts";
import { type ContainerdConnection, underLease } from "../../plugins/containerd/connection.ts";
import { writeBlob } from "../../plugins/containerd/images/write-blob.ts";
import type { Descriptor, ImageSource } from "../../plugins/images/backend.ts";
import { client, nothingKnown } from "../registry/client.ts";
import { sha256 } from "../contract/image-store-fixtures.ts";
import { never, quiet } from "../contract/image-store-harness.ts";
import { containerdDirectory, supervisorFor } from "./store-containerd.ts";
import { TestStores } from "./store-jobs.ts";

const [address = "127.0.0.1:5000/large:500m", roundsText = "3"] = process.argv.slice(2);
const [, registry = "", repository = "", tag = ""] = /^([^/]+)\/(.+):([^:/]+)$/.exec(address) ?? [];
const megabyte = 1_000_000;
const print = (line: string) => process.stdout.write(`${line}\n`);

/** Resets the mark of the most memory that this process had. Source: proc(5), `/proc/[pid]/clear_refs`. */
const forgetPeak = () => writeFile("/proc/self/clear_refs", "5");

async function memoryBytes(field: "VmHWM" | "VmRSS"): Promise<number> {
  const status = await readFile("/proc/self/status", "utf8");
  return 1024 * Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1]);
}

/** Processor time that a process and the children it waited for used, in seconds. Source: proc(5), `stat`. */
async function cpuSeconds(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  const ticks = stat.slice(stat.lastIndexOf(")") + 2).split(" ").slice(11, 15).map(Number);
  return ticks.reduce((sum, each) => sum + each, 0) / 100;
}

/** The containerd of the round that runs now. */
let containerdPid = process.pid;

async function stage(name: string, sizeBytes: number, work: () => Promise<unknown>): Promise<void> {
  await forgetPeak();
  const before = await memoryBytes("VmRSS");
  const [own, engine] = [await cpuSeconds(process.pid), await cpuSeconds(containerdPid)];
  const begin = performance.now();
  await work();
  const seconds = (performance.now() - begin) / 1000;
  const grown = (await memoryBytes("VmHWM") - before) / megabyte;
  const rate = (sizeBytes / megabyte / seconds).toFixed(0).padStart(5);
  const cpu = [await cpuSeconds(process.pid) - own, await cpuSeconds(containerdPid) - engine];
  const [ownText, engineText] = cpu.map((each) => each.toFixed(2));
  print(
    `${name.padEnd(22)} ${rate} MB/s in ${
      seconds.toFixed(2)
    } s; cpu ${ownText} s here, ${engineText} s in containerd; ` +
      `memory +${grown.toFixed(0)} MB`,
  );
}

const withRegistries = async <T>(work: (source: ImageSource) => Promise<T>): Promise<T> => {
  const undo = new Undo("the registry's client");
  const registries = client(undo, { responseTimeoutMs: 30_000, idleTimeoutMs: 60_000 });
  try {
    const platform = { os: "linux", architecture: "amd64" };
    const reference = { registry, repository, tag };
    const { source } = await registries.resolve(
      reference,
      platform,
      undefined,
      never,
      nothingKnown,
    );
    return await work(source);
  } finally {
    await undo.run();
  }
};

/** Everything at once, as many at a time as the store does. */
async function inParallel<T>(items: readonly T[], atOnce: number, work: (item: T) => Promise<unknown>) {
  const waiting = [...items];
  const worker = async () => {
    for (let item = waiting.shift(); item !== undefined; item = waiting.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

async function download(source: ImageSource, blob: Descriptor, check: boolean): Promise<void> {
  const hash = createHash("sha256");
  for await (const chunk of source.read(blob, 0, never)) {
    if (check) hash.update(chunk);
  }
}

/** Writes blobs of random bytes of the layers' sizes. */
async function write(connection: ContainerdConnection, layers: readonly Descriptor[], chunkBytes: number) {
  const noise = Buffer.from(Array.from({ length: chunkBytes }, (_, at) => (at * 2654435761) >>> 13 & 255));
  await connection.leases.create({ id: "noise" });
  const blobs = layers.map(({ sizeBytes }, at) => {
    const count = Math.ceil(sizeBytes / chunkBytes);
    const hash = createHash("sha256").update(`${at}`);
    for (let index = 0; index < count; index++) hash.update(noise);
    async function* batches() {
      yield [Buffer.from(`${at}`)];
      for (let index = 0; index < count; index++) yield [noise];
    }
    const descriptor = { digest: `sha256:${hash.digest("hex")}`, sizeBytes: count * chunkBytes + 1 };
    return { descriptor, labels: {}, leaseId: "noise", batches: batches() };
  });
  const size = blobs.reduce((sum, { descriptor }) => sum + descriptor.sizeBytes, 0);
  const name = `write, ${chunkBytes / 1024} KiB chunks`;
  await stage(name, size, () => inParallel(blobs, 3, (blob) => writeBlob(connection, blob, never)));
  await connection.leases.delete({ id: "noise", sync: true });
}

/** Unpacks the layers one on top of the other. */
async function apply({ snapshots, diffs, leases }: ContainerdConnection, layers: readonly Descriptor[]) {
  const snapshotter = "overlayfs";
  await leases.create({ id: "apply" });
  let parent = "";
  for (const [at, { mediaType, digest, sizeBytes }] of layers.entries()) {
    const { mounts } = await snapshots.prepare({ snapshotter, key: `a${at}`, parent }, underLease("apply"));
    await diffs.apply({ diff: { mediaType, digest, size: BigInt(sizeBytes) }, mounts });
    parent = `done${at}`;
    await snapshots.commit({ snapshotter, key: `a${at}`, name: parent }, underLease("apply"));
  }
}

async function round(): Promise<void> {
  const undo = new Undo("measurement");
  try {
    const { supervisor, connection } = supervisorFor(undo, await containerdDirectory(undo));
    await supervisor.open();
    containerdPid = supervisor.pid as number;
    const { layers } = await withRegistries((source) => Promise.resolve(source));
    const travels = layers.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    await withRegistries((source) =>
      stage("download", travels, () => inParallel(layers, 3, (blob) => download(source, blob, false)))
    );
    await withRegistries((source) =>
      stage("download and hash", travels, () => inParallel(layers, 3, (blob) => download(source, blob, true)))
    );
    for (const kibibytes of [64, 1024, 3072]) await write(connection, layers, kibibytes * 1024);
    const { store } = (await TestStores.open(undo, connection)).job(sha256(Buffer.from("job")).slice(7, 19));
    await withRegistries((source) =>
      stage("pull, as it travels", travels, () => store.ingest(source, quiet, never))
    );
    await stage("pull in a second job", 0, async () => {
      const second = (await TestStores.open(undo, connection)).job("second").store;
      await withRegistries((source) => second.ingest(source, quiet, never));
    });
    await stage("apply alone", travels, () => apply(connection, layers));
  } finally {
    await undo.run();
  }
}

for (let at = 0; at < Number(roundsText); at++) await round();

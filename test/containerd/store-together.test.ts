import { pause } from "../../core/support/deadline.ts";
import type { Descriptor } from "../../plugins/images/backend.ts";
import { Slots } from "../../plugins/containerd/images/slots.ts";
import { FakeSource, imageOf, layerOf } from "../contract/image-store-fixtures.ts";
import { never, quiet } from "../contract/image-store-harness.ts";
import { assert, eventually, rejection, test } from "../support/test.ts";
import { size } from "../support/wire.ts";
import { privateContainerd } from "./store-containerd.ts";
import { TestStores } from "./store-jobs.ts";

const layersOf = (name: string, count: number) =>
  Promise.all(Array.from({ length: count }, (_, at) => layerOf({ [`${name}${at}`]: `${name} ${at}` })));

test("downloads each blob once when many jobs pull one image, though some give up and some close", async (undo) => {
  const jobs = size(100, 20);
  const stores = await TestStores.open(undo, await privateContainerd(undo));
  const layers = await layersOf("layer", 5);
  const sources = Array.from({ length: jobs }, () => imageOf(layers, "registry.test/app"));
  const told = sources.map(() => new Map<string, string[]>());
  const reads = () => sources.flatMap((source) => source.reads);
  let isHeld = true;
  for (const source of sources) source.gate = () => isHeld ? pause(5) : undefined;
  const ends = sources.map(() => new AbortController());
  const pulls = sources.map((source, at) => {
    const { store } = stores.job(`job${at}`, at % 5 === 1 ? { signal: ends[at]!.signal } : {});
    const observe = (layer: Descriptor, { state }: { state: string }) =>
      void told[at]!.set(layer.digest, [...told[at]!.get(layer.digest) ?? [], state]);
    return store.ingest(source, observe, at % 5 === 0 ? ends[at]!.signal : never);
  });
  const outcomes = Promise.allSettled(pulls);
  await eventually("the first download", () => reads().length > 0);
  // The first began all the downloads, and gives up; so does every fifth, and every fifth job closes.
  ends.forEach((end, at) => at % 5 < 2 && end.abort(new Error("gone")));
  isHeld = false;
  for (const [at, { status }] of (await outcomes).entries()) {
    assert.is(status, at % 5 < 2 ? "rejected" : "fulfilled", `job ${at}`);
    if (at % 5 < 2) continue;
    for (const { descriptor } of layers) {
      const states = told[at]!.get(descriptor.digest)!;
      assert.ok(["done", "exists"].includes(states.at(-1)!), `job ${at} was told ${states}`);
    }
  }
  for (const { descriptor } of layers) {
    const times = reads().filter((digest) => digest === descriptor.digest).length;
    // Once, and once more for a download whose owner gave up.
    assert.ok(times >= 1 && times <= 3, `${descriptor.digest} was read ${times} times`);
  }
});

test("downloads each blob of an image once for twenty jobs that all want it to the end", async (undo) => {
  const stores = await TestStores.open(undo, await privateContainerd(undo));
  const layers = await layersOf("layer", 4);
  const sources = Array.from({ length: 20 }, () => imageOf(layers, "registry.test/app"));
  await Promise.all(sources.map((source, at) => stores.job(`job${at}`).store.ingest(source, quiet, never)));
  const reads = sources.flatMap((source) => source.reads).sort();
  assert.equal(reads, [...new Set(reads)]);
});

test("downloads no more at once than concurrentDownloads says, however many jobs pull", async (undo) => {
  const settings = { concurrentDownloads: 4, concurrentLayers: 3 };
  const stores = await TestStores.open(undo, await privateContainerd(undo), { settings });
  const meter = new Meter();
  const pulls = Array.from({ length: 10 }, async (_, at) => {
    const source = meter.attach(imageOf(await layersOf(`job ${at} layer `, 4), `registry.test/app${at}`));
    await stores.job(`job${at}`).store.ingest(source, quiet, never);
  });
  await Promise.all(pulls);
  assert.is(meter.most, 4);
});

test("downloads no more layers of one image at once than concurrentLayers says", async (undo) => {
  const settings = { concurrentDownloads: 8, concurrentLayers: 2 };
  const stores = await TestStores.open(undo, await privateContainerd(undo), { settings });
  const meter = new Meter();
  const source = meter.attach(imageOf(await layersOf("layer", 6), "registry.test/app"));
  await stores.job("one").store.ingest(source, quiet, never);
  assert.is(meter.most, 2);
});

test("gives slots in order, past those who gave up, and each once", async () => {
  const slots = new Slots(1);
  const first = await slots.take(never);
  const order: string[] = [];
  const stop = new AbortController();
  const take = async (name: string, signal = never) => {
    const release = await slots.take(signal);
    order.push(name);
    return release;
  };
  const impatient = rejection(take("impatient", stop.signal));
  const [second, third] = [take("second"), take("third")];
  stop.abort(new Error("gave up"));
  assert.is((await impatient).message, "gave up");
  first();
  first();
  const release = await second;
  assert.equal(order, ["second"]);
  release();
  (await third)();
  assert.equal(order, ["second", "third"]);
  assert.is((await rejection(slots.take(stop.signal))).message, "gave up");
});

/** Counts the reads that go on at once. */
class Meter {
  most = 0;
  #now = 0;

  attach(source: FakeSource): FakeSource {
    const read = source.read.bind(source);
    const begin = () => this.most = Math.max(this.most, ++this.#now);
    const end = () => this.#now--;
    source.read = async function* (blob, offset, signal) {
      begin();
      try {
        await pause(20);
        yield* read(blob, offset, signal);
      } finally {
        end();
      }
    };
    return source;
  }
}

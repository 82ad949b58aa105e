import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { pause } from "../../core/support/deadline.ts";
import { Undo } from "../../core/support/undo.ts";
import { cacheLeaseId } from "../../plugins/containerd/images/shared-images.ts";
import { mountsBelow } from "../../plugins/containerd/mounts.ts";
import { sha256 } from "../contract/image-store-fixtures.ts";
import { never, quiet, readAll } from "../contract/image-store-harness.ts";
import { assert, eventually, test } from "../support/test.ts";
import { size } from "../support/wire.ts";
import { numberedImage, randomFrom } from "./numbered-images.ts";
import { contents } from "./store-contents.ts";
import { containerdDirectory, supervisorFor } from "./store-containerd.ts";
import { TestStores } from "./store-jobs.ts";

const rounds = size(60, 5);
const seed = Number(process.env["BERTH_TEST_SEED"] ?? 20261130);

test(`uses without repair what daemons and containerds killed at any moment left (seed ${seed})`, async (undo) => {
  const dir = await containerdDirectory(undo);
  const random = randomFrom(seed);
  const complete = new Set<number>();
  for (let round = 0; round < rounds; round++) {
    const victim = await startWorking(undo, dir, seed + round, complete);
    // Every other one is killed when it has something to lose.
    if (round % 2 === 0) await victim.completed;
    await pause(random(round % 2 === 0 ? 300 : 600));
    const order = random(3);
    if (order === 0) process.kill(victim.containerdPid, "SIGKILL");
    if (order === 0 && random(2) === 0) await pause(random(300));
    victim.process.kill("SIGKILL");
    await victim.ended;
    if (order === 1) process.kill(victim.containerdPid, "SIGKILL");
    await lookAt(dir, complete, `round ${round}`);
  }
  assert.ok(complete.size > 0, "nothing was ever reported complete");
});

/** Starts anew on what is there, finds everything whole, and brings in one more image. */
async function lookAt(dir: string, complete: ReadonlySet<number>, round: string): Promise<void> {
  const undo = new Undo(round);
  try {
    const { supervisor, connection } = supervisorFor(undo, dir);
    await supervisor.open();
    const stores = await TestStores.open(undo, connection);
    const found = await contents(connection);
    assert.equal(found.leases, [cacheLeaseId], round);
    assert.equal(found.writes, [], round);
    assert.equal(found.snapshots.filter((name) => !name.startsWith("sha256:")), [], round);
    await eventually(
      `${round}: no mount`,
      async () => (await mountsBelow(supervisor.paths.temporary)).length === 0,
    );
    const one = stores.job("one");
    for (const number of complete) {
      const source = await numberedImage(number, true);
      source.blobs.clear();
      const image = await one.store.ingest(source, quiet, never);
      assert.equal(source.reads, [], `${round}, image ${number}`);
      for (const blob of [image.index!, ...image.layers, image.attestations![0]!.layers[0]!]) {
        assert.is(sha256(await readAll(one.store, blob)), blob.digest, round);
      }
    }
    const next = await numberedImage([...complete].length % 12, true);
    await one.store.ingest(next, quiet, never);
    await one.close();
  } finally {
    await undo.run();
  }
}

/** A daemon at work; adds to `complete` what it reports. */
async function startWorking(undo: Undo, dir: string, seed: number, complete: Set<number>) {
  const script = import.meta.url.replace(/^file:\/\//, "").replace(
    "store-crash.test",
    "store-work-until-killed",
  );
  const args = [...("Deno" in globalThis ? ["run", "-A"] : []), script, dir, String(seed)];
  const daemon: ChildProcess = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
  undo.add("the daemon", () => void daemon.kill("SIGKILL"));
  const ended = new Promise<void>((resolve) => daemon.once("exit", () => resolve()));
  const lines = createInterface({ input: daemon.stdout! });
  let tellCompleted = () => {};
  const completed = new Promise<void>((resolve) => tellCompleted = resolve);
  const containerdPid = await new Promise<number>((resolve, reject) => {
    lines.on("line", (line) => {
      const [word, number] = line.split(" ");
      if (word === "containerd") resolve(Number(number));
      else {
        complete.add(Number(number));
        tellCompleted();
      }
    });
    void ended.then(() => reject(new Error("the daemon did not begin")));
  });
  const closed = new Promise<void>((resolve) => lines.once("close", resolve));
  return { process: daemon, containerdPid, completed, ended: Promise.all([ended, closed]) };
}

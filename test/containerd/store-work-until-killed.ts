/**
 * Pulls, loads and releases images on the private containerd of the directory given, in an order that the seed gives,
 * until it is killed. Prints `containerd PID` when it begins and `complete N` when image N is stored from its registry.
 */
import { Undo } from "../../core/support/undo.ts";
import { never, quiet } from "../contract/image-store-harness.ts";
import { numberedImage, randomFrom } from "./numbered-images.ts";
import { supervisorFor } from "./store-containerd.ts";
import { TestStores } from "./store-jobs.ts";

const [dir = "", seed = "0"] = process.argv.slice(2);
const undo = new Undo("never run");
const { supervisor, connection } = supervisorFor(undo, dir);
await supervisor.open();
const stores = await TestStores.open(undo, connection);
const random = randomFrom(Number(seed));
process.stdout.write(`containerd ${supervisor.pid}\n`);

/** One job of several that run at once. */
async function work(job: number): Promise<void> {
  const { store } = stores.job(`job${job}`);
  for (;;) {
    const number = random(12);
    const isPull = random(4) > 0;
    const source = await numberedImage(number, isPull);
    try {
      const image = await store.ingest(source, quiet, never);
      if (isPull) process.stdout.write(`complete ${number}\n`);
      if (random(2) === 0) await store.release(image);
    } catch {
      // containerd was killed, too: it comes back, or this process goes.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

await Promise.all([1, 2, 3].map(work));

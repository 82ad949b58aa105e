import { Turns } from "../../core/support/turns.ts";
import { assert, test } from "../support/test.ts";

test("lets so many in at once, in the order they came, and goes on after a failure", async () => {
  const turns = new Turns(2);
  const log: string[] = [];
  const ends: (() => void)[] = [];
  const work = (name: string) => () => {
    log.push(name);
    return new Promise<void>((resolve) => ends.push(resolve));
  };
  const all = ["a", "b", "c"].map((name) => turns.run(work(name)));
  const failed = turns.run(() => Promise.reject(new Error("no")));
  const last = turns.run(() => "plain value");
  assert.equal(log, ["a", "b"]);
  ends[0]!();
  await all[0];
  assert.equal(log, ["a", "b", "c"]);
  ends[1]!();
  assert.is(await failed.catch((error) => error.message), "no");
  assert.is(await last, "plain value");
  ends[2]!();
  await Promise.all(all);
});

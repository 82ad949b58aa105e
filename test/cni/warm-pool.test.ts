import { IdleBudget, WarmPool } from "../../plugins/cni/warm-pool.ts";
import { assert, eventually, rejection, test } from "../support/test.ts";

/** A source whose items are numbers; made at once, or when let go. */
class Numbers {
  made = 0;
  readonly destroyed: number[] = [];
  readonly failures: unknown[] = [];
  breaks = false;
  gate: Promise<void> = Promise.resolve();

  async make(): Promise<number> {
    const number = this.made++;
    await this.gate;
    if (this.breaks) throw new Error("no more numbers");
    return number;
  }

  async destroy(number: number): Promise<void> {
    this.destroyed.push(number);
  }

  failed(error: unknown): void {
    this.failures.push(error);
  }
}

function poolOf(limit = 2, total = 10) {
  const source = new Numbers();
  const budget = new IdleBudget(total);
  return { source, budget, pool: new WarmPool<number>(source, limit, budget) };
}

test("lends what was given back first, first", async () => {
  const { pool, source } = poolOf();
  const lent = await Promise.all([pool.lend(), pool.lend()]);
  assert.equal(lent, [0, 1]);
  pool.giveBack(1);
  pool.giveBack(0);
  assert.is(await pool.lend(), 1);
  assert.is(await pool.lend(), 0);
  assert.is(source.made, 2);
});

test("makes one ahead for each expected lend, up to the limit", async () => {
  const { pool, source } = poolOf(2);
  for (let count = 0; count < 5; count++) pool.prepare();
  assert.is(source.made, 2);
  await eventually("two to be ready", async () => (await pool.lend()) >= 0);
});

test("makes nothing ahead when one is ready already", async () => {
  const { pool, source } = poolOf();
  pool.giveBack(await pool.lend());
  for (let count = 0; count < 3; count++) {
    pool.prepare();
    pool.giveBack(await pool.lend());
  }
  assert.is(source.made, 1);
});

test("gives one that comes back to whoever waits", async () => {
  const { pool, source } = poolOf();
  const lent = await pool.lend();
  source.gate = new Promise(() => {});
  const waiting = pool.lend();
  pool.giveBack(lent);
  assert.is(await waiting, lent);
});

test("destroys what is beyond its own limit or the daemon's", async () => {
  const { pool, source } = poolOf(2, 1);
  const lent = await Promise.all([pool.lend(), pool.lend(), pool.lend()]);
  for (const number of lent) pool.giveBack(number);
  assert.equal(source.destroyed, [1, 2]);
  pool.prepare();
  pool.prepare();
  assert.is(source.made, 3, "nothing is made ahead while the daemon keeps enough");
});

test("tells who waits why nothing could be made, and the log when nobody does", async () => {
  const { pool, source } = poolOf();
  source.breaks = true;
  assert.is((await rejection(pool.lend())).message, "no more numbers");
  assert.equal(source.failures, []);
  pool.prepare();
  await eventually("the failure to be told", () => source.failures.length === 1);
});

test("closes only after what is being made is made, and gives its share of the budget back", async () => {
  const { pool, source, budget } = poolOf(2, 1);
  pool.giveBack(await pool.lend());
  assert.ok(budget.isSpent);
  const lent = await pool.lend();
  let open = () => {};
  source.gate = new Promise((resolve) => open = resolve);
  const waiting = rejection(pool.lend());
  let closed = false;
  const closing = pool.close().then(() => closed = true);
  assert.match((await waiting).message, /closing/);
  assert.not.ok(closed);
  open();
  await closing;
  pool.giveBack(lent);
  assert.not.ok(budget.isSpent);
  assert.equal(source.failures, []);
});

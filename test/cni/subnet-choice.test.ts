import { run } from "../../core/support/spawn.ts";
import { formatCidr, parseCidr, subnetAt } from "../../plugins/cni/cidr.ts";
import { assert, rejection, test } from "../support/test.ts";
import { randomPool, startCni } from "./lab.ts";

test("passes over a subnet that the host has a route to", async (undo) => {
  const pool = randomPool();
  const range = { ...parseCidr(pool), bits: 23 };
  const routed = formatCidr(subnetAt(range, 24, 0));
  await run("ip", ["route", "add", "blackhole", routed]);
  undo.add("route", () => run("ip", ["route", "del", "blackhole", routed]));
  const { openJob } = await startCni(undo, { settings: { pool: [formatCidr(range)] } });
  const { network } = await openJob("j1");
  assert.match((await network.lend("c1")).gateway, gatewayIn(subnetAt(range, 24, 1)));
});

test("says which pool is exhausted when every subnet is taken, and takes one again that was freed", async (undo) => {
  const range = { ...parseCidr(randomPool()), bits: 23 };
  const { openJob } = await startCni(undo, { settings: { pool: [formatCidr(range)] } });
  const jobs = await Promise.all(["j1", "j2", "j3"].map((id) => openJob(id)));
  const [one, , three] = jobs as [typeof jobs[0], typeof jobs[0], typeof jobs[0]];
  await Promise.all(jobs.slice(0, 2).map(({ network }) => network.lend("c1")));
  const error = await rejection(three.network.lend("c1"));
  assert.match(
    error.message,
    `no subnet is left for the job's network: of 2 in plugins.cni.pool (${formatCidr(range)})`,
  );
  await one.close();
  await three.network.lend("c1");
});

function gatewayIn(subnet: Parameters<typeof formatCidr>[0]): string {
  return formatCidr(subnet).replace(/\.0\/\d+$/, ".1");
}

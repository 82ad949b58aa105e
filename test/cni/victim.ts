/** Started by recovery.test.ts to be killed: opens jobs, lends namespaces and closes jobs for ever. */
import { Undo } from "../../core/support/undo.ts";
import { startCni } from "./lab.ts";

const { dataDir, id, openJob } = await startCni(new Undo("victim"));
const joining = process.argv[2];
process.stdout.write(`${JSON.stringify({ dataDir, id })}\n`);
for (let round = 0;; round++) {
  await Promise.all(["a", "b"].map(async (name) => {
    const callerNetns = name === "b" ? joining : undefined;
    const job = await openJob(`${name}${round}`, { callerNetns });
    const lent = await Promise.all([job.network.lend("c1"), job.network.lend("c2")]);
    for (const attachment of lent) await job.network.giveBack(attachment);
    await job.close();
  }));
}

import { controlClient } from "../control/client.ts";
import { version } from "../support/about.ts";
import { apiErrorOf, messageOf } from "../support/errors.ts";
import { runtimeTitle } from "../support/runtime.ts";
import { type CommonOptions, dataDirOf } from "./options.ts";
import { printJson, printLine } from "./output.ts";

/** `berth version`: this command's version, and the daemon's when one is running. */
export async function printVersion(options: CommonOptions): Promise<void> {
  const daemon = await daemonVersion(dataDirOf(options));
  if (options.json) return printJson({ version, runtime: runtimeTitle, daemon });
  printLine(`berth ${version} (${runtimeTitle})`);
  printLine(
    "problem" in daemon ? `daemon: ${daemon.problem}` : `daemon ${daemon.version} (${daemon.runtime})`,
  );
}

async function daemonVersion(dataDir: string) {
  try {
    const { version, runtime, processId, startedAt } = await controlClient(dataDir).getDaemon({});
    return { version, runtime, processId, startedAt };
  } catch (error) {
    return { problem: apiErrorOf(error)?.message ?? messageOf(error) };
  }
}

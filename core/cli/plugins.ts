import { controlClient } from "../control/client.ts";
import { type CommonOptions, dataDirOf } from "./options.ts";
import { printJson, printTable } from "./output.ts";

/** `berth plugins`: how the running daemon's plugins are doing. */
export async function listPlugins(options: CommonOptions): Promise<void> {
  const { plugins } = await controlClient(dataDirOf(options)).listPlugins({});
  if (options.json) {
    return printJson(plugins.map(({ id, summary, state, reason, routes }) => ({
      id,
      summary,
      state,
      ...(reason && { reason }),
      routes: routes.map(({ method, path }) => ({ method, path })),
    })));
  }
  printTable(
    ["ID", "STATE", "ROUTES", "WHAT IT DOES, OR WHY IT DOES NOT RUN"],
    plugins.map((
      { id, state, routes, summary, reason },
    ) => [id, state, String(routes.length), reason || summary]),
  );
}

import { defaultConfigText, loadConfig } from "../daemon/config.ts";
import type { BuiltInTable } from "../kernel/loader.ts";
import type { CommonOptions } from "./options.ts";
import { printJson, printLine } from "./output.ts";

/** `berth config --default`: every setting of the daemon and of each plugin, documented, as a config file. */
export async function printDefaultConfig(options: CommonOptions, builtIns: BuiltInTable): Promise<void> {
  const text = await defaultConfigText(builtIns);
  if (options.json) printJson({ toml: text });
  else process.stdout.write(text);
}

/** `berth config check`: reads a config file as `berth serve` does. Errors name the key. */
export async function checkConfig(
  file: string,
  options: CommonOptions,
  builtIns: BuiltInTable,
): Promise<void> {
  const { dataDir } = await loadConfig(file, builtIns, { dataDir: options.dataDir });
  if (options.json) printJson({ file, dataDir, ok: true });
  else printLine(`${file} is good`);
}

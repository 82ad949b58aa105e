import { Command, Option } from "commander";
import type { BuiltInTable } from "../kernel/loader.ts";
import { version } from "../support/about.ts";
import { parseBytes, parseSpan } from "./measures.ts";
import { withCommonOptions, withJobOptions } from "./options.ts";

/**
 * The command line's grammar. What a command does is imported when it is called: job hooks call `berth` for every
 * job, and most of them need no daemon's code.
 */
export function buildProgram(builtIns: BuiltInTable): Command {
  const program = new Command("berth")
    .description("The Docker Engine API for CI jobs, each on its own socket")
    .exitOverride()
    .showHelpAfterError("(--help says what there is)")
    .helpCommand(false)
    .version(version, "-V, --version");
  addDaemonCommands(program, builtIns);
  addJobCommands(program);
  addCacheCommands(program);
  addRunCommand(program);
  addHostCommands(program, builtIns);
  return program;
}

function addDaemonCommands(program: Command, builtIns: BuiltInTable): void {
  add(program, "serve", "run the daemon in the foreground until SIGTERM or SIGINT")
    .option("--config <file>", "the daemon's config file (default: the defaults of `berth config --default`)")
    .option("--until-stdin-ends", "stop, too, when standard input ends: whoever started the daemon is gone")
    // For `berth run`, which makes the directory: nobody should type this.
    .addOption(new Option("--temporary", "remove the data directory at the end").hideHelp())
    .action(async (options) => (await import("./serve.ts")).serve(options, builtIns));
  add(program, "plugins", "list the running daemon's plugins, what they serve, and why some do not run")
    .action(async (options) => (await import("./plugins.ts")).listPlugins(options));
  const config = add(program, "config", "print the documented default config, or check a config file")
    .option("--default", "print every setting with its meaning and default, as TOML")
    .action(async (options, command: Command) => {
      if (!options.default) command.error("error: say --default, or check FILE");
      await (await import("./config.ts")).printDefaultConfig(options, builtIns);
    });
  add(config, "check", "check a config file without starting anything")
    .argument("<file>")
    .action(async (file, options) => (await import("./config.ts")).checkConfig(file, options, builtIns));
}

function addJobCommands(program: Command): void {
  const job = program.command("job").description("open, close and look at jobs").helpCommand(false);
  withJobOptions(add(job, "open", "open a job and print its Docker socket's path"))
    .argument("<id>")
    .action(async (id, options) => (await import("./job.ts")).openJob(id, options));
  add(job, "close", "close a job and remove all it owns")
    .argument("<id>")
    .action(async (id, options) => (await import("./job.ts")).closeJob(id, options));
  add(job, "ls", "list jobs").action(async (options) => (await import("./job.ts")).listJobs(options));
  add(job, "show", "show one job")
    .argument("<id>")
    .action(async (id, options) => (await import("./job.ts")).showJob(id, options));
}

function addCacheCommands(program: Command): void {
  const cache = program.command("cache").description("look after the images that jobs share").helpCommand(
    false,
  );
  add(cache, "ls", "list cached images, least recently used first")
    .action(async (options) => (await import("./cache.ts")).listCache(options));
  add(cache, "prune", "remove images that no live job holds: without options, what is above the watermarks")
    .addOption(new Option("--all", "everything that no job holds").conflicts(["olderThan", "untilFree"]))
    .addOption(
      new Option("--older-than <time>", "what nobody used for so long, such as 24h")
        .argParser(parseSpan).conflicts(["untilFree"]),
    )
    .option("--until-free <bytes>", "the least recently used, until so much disk is free", parseBytes)
    .action(async (options) => (await import("./cache.ts")).pruneCache(options));
  add(cache, "stats", "show how large and how useful the cache is")
    .action(async (options) => (await import("./cache.ts")).showCacheStats(options));
}

function addRunCommand(program: Command): void {
  withJobOptions(add(program, "run", "run a command in a job of its own, which ends with it"))
    .usage("[options] -- <command> [arguments]")
    .argument("<command...>")
    .option("--id <id>", "the job's id (default: one made up)")
    .option("--config <file>", "config file of the daemon that is started when none is running")
    .action(async (command, options) => (await import("./run/run.ts")).runCommand(command, options));
}

function addHostCommands(program: Command, builtIns: BuiltInTable): void {
  add(program, "doctor", "check what this host lacks, and say which package has it")
    .option("--config <file>", "the daemon's config file: only what it needs is checked")
    .action(async (options) => (await import("./doctor/doctor.ts")).examineHost(options, builtIns));
  add(program, "version", "print this version, and the running daemon's")
    .action(async (options) => (await import("./version.ts")).printVersion(options));
}

function add(parent: Command, name: string, description: string): Command {
  return withCommonOptions(parent.command(name).description(description));
}

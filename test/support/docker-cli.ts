/** The real docker CLI, in the versions at hand, against one socket. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkoutRoot } from "./berth-command.ts";

/** What a run of the CLI left behind. */
export interface CliResult {
  /** 128 + n when it was killed by signal n or the deadline. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface CliOptions {
  /** Written to standard input, which is then closed; without it, standard input is empty. */
  readonly stdin?: string | Uint8Array;
  /** Gives the CLI a terminal. Its output is then all in `stdout`. */
  readonly terminal?: boolean;
  /** The terminal's width in characters; default none at all. */
  readonly columns?: number;
  readonly env?: Readonly<Record<string, string>>;
  /** Default 60 s. */
  readonly timeoutMs?: number;
}

/** A docker CLI binary. */
export interface CliBinary {
  /** `28.2.2` */
  readonly version: string;
  readonly path: string;
}

/** The CLIs of this machine: its own, and the one that scripts/setup took out of the distribution's package. */
export const dockerBinaries: readonly CliBinary[] = findBinaries();

/** The newest CLI at hand. */
export const newestDocker = dockerBinaries[0]!;

function findBinaries(): CliBinary[] {
  const onPath = (process.env["PATH"] ?? "").split(":").map((folder) => join(folder, "docker"));
  const paths = [onPath.find((path) => existsSync(path)), join(checkoutRoot, "dist-tools/docker-debian")];
  const found = paths.filter((path) => path !== undefined && existsSync(path)).map((path) => ({
    path: path!,
    version: execFileSync(path!, ["--version"], { encoding: "utf8" }).match(/version ([\d.]+)/)?.[1] ??
      "unknown",
  }));
  if (found.length === 0) throw new Error("no docker CLI here: run scripts/setup --tests");
  const major = ({ version }: CliBinary) => Number.parseInt(version);
  return found.sort((a, b) => major(b) - major(a))
    .filter((each, index, all) => all.findIndex(({ version }) => version === each.version) === index);
}

const configDirs: string[] = [];
process.once("exit", () => {
  for (const folder of configDirs) rmSync(folder, { recursive: true, force: true });
});

/** One CLI, bound to one job's socket, with a configuration directory of its own. */
export class Docker {
  readonly #binary: CliBinary;
  readonly #env: NodeJS.ProcessEnv;
  readonly #configDir = mkdtempSync(join(tmpdir(), "berth-cli-"));

  constructor(socketPath: string, binary: CliBinary = newestDocker) {
    this.#binary = binary;
    configDirs.push(this.#configDir);
    const { DOCKER_CONTEXT: _context, DOCKER_API_VERSION: _version, ...rest } = process.env;
    this.#env = {
      ...rest,
      DOCKER_HOST: `unix://${socketPath}`,
      DOCKER_CONFIG: this.#configDir,
      TERM: "xterm",
    };
  }

  /** Runs the CLI to its end. */
  run(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
    const child = this.start(args, options);
    const output = { stdout: "", stderr: "" };
    child.stdout!.setEncoding("utf8").on("data", (chunk: string) => output.stdout += chunk);
    child.stderr!.setEncoding("utf8").on("data", (chunk: string) => output.stderr += chunk);
    child.stdin!.on("error", () => {});
    // A terminal never ends; what `script` reads from must stay open as long as the CLI runs.
    if (!options.terminal) child.stdin!.end(options.stdin ?? "");
    else if (options.stdin) child.stdin!.write(options.stdin);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => child.kill("SIGKILL"), options.timeoutMs ?? 60_000);
      child.once("error", reject);
      child.once("close", (code, signal) => {
        clearTimeout(timer);
        resolve({ code: code ?? (signal === "SIGKILL" ? 137 : 143), ...output });
      });
    });
  }

  /** Runs the CLI, demands exit code 0 and returns what it printed, trimmed. */
  async ok(args: readonly string[], options: CliOptions = {}): Promise<string> {
    const { code, stdout, stderr } = await this.run(args, options);
    if (code === 0) return stdout.trim();
    throw new Error(`docker ${args.join(" ")} exited with ${code}: ${stderr.trim()} ${stdout.trim()}`);
  }

  /** Keeps credentials for a registry where `docker login` would. */
  keepCredentials(registry: string, user: string, password: string): void {
    const auths = { [registry]: { auth: btoa(`${user}:${password}`) } };
    writeFileSync(join(this.#configDir, "config.json"), JSON.stringify({ auths }));
  }

  /** Starts the CLI with pipes for all three streams. */
  start(args: readonly string[], { terminal, columns, env }: CliOptions = {}): ChildProcess {
    const line = [this.#binary.path, ...args];
    const shell = (columns ? `stty cols ${columns}; exec ` : "") + line.map(quoted).join(" ");
    const [command, ...rest] = terminal ? ["script", "-qec", shell, "/dev/null"] : line;
    return spawn(command!, rest, { env: { ...this.#env, ...env }, stdio: ["pipe", "pipe", "pipe"] });
  }
}

function quoted(word: string): string {
  return `'${word.replaceAll("'", `'\\''`)}'`;
}

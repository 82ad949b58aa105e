/**
 * A container engine in memory, for the tests of everything that sits on one. Its programs are functions; it keeps
 * the contract of real engines (test/contract/container-engine.ts) and can be held up on purpose.
 */
import { ApiError, conflict, invalid, notFound } from "../../core/support/errors.ts";
import type {
  ContainerEngine,
  ContainerSpec,
  Exit,
  OutputSink,
  OutputStream,
  RunningContainer,
  StoredImage,
} from "../../plugins/containers/backend.ts";
import { FakeInput } from "./fake-input.ts";

/** What a program sees of the container it runs in. */
export interface FakeProcess {
  readonly spec: ContainerSpec;
  readonly args: readonly string[];
  /** Resolves when the sink took it, as a pipe's writer would wait. */
  print(text: string | Uint8Array, stream?: OutputStream): Promise<void>;
  readonly input: AsyncIterable<Uint8Array>;
  /** Every signal but SIGKILL goes here when set; otherwise it ends the process. */
  onSignal?: (signal: number) => void;
  /** Sizes the terminal was given. */
  readonly sizes: { columns: number; rows: number }[];
  /** Never resolves: a process that runs until it is killed. */
  readonly forever: Promise<never>;
}

/** Runs to an exit code. */
export type FakeProgram = (process: FakeProcess) => Promise<number>;

const harmless = [17, 18, 23, 28];
const sigkill = 9;

const programs: Record<string, FakeProgram> = {
  async print({ args: [, out = "", err = "", code = "0"], print }) {
    await Promise.all([print(out), print(err, "stderr")]);
    return Number(code);
  },
  async copy({ input, print }) {
    for await (const chunk of input) await print(chunk);
    return 0;
  },
  async stay({ print, forever }) {
    await print("ready\n");
    return await forever;
  },
};

interface Entry {
  readonly spec: ContainerSpec;
  running?: FakeRun;
}

/** See above. `programs` may be added to; what is not there cannot be executed. */
export class FakeEngine implements ContainerEngine {
  readonly cgroupNamespace = "private";
  readonly programs: Record<string, FakeProgram> = { ...programs };
  /** Calls, in order: `create <id>`, `start <id>`, `removed <id>`. */
  readonly calls: string[] = [];
  /** Removals wait for this. */
  removeGate: Promise<void> = Promise.resolve();
  /** Starts wait for this. */
  startGate: Promise<void> = Promise.resolve();
  /** Creates fail with this. */
  createError: Error | undefined;
  readonly #entries = new Map<string, Entry>();

  get ids(): string[] {
    return [...this.#entries.keys()];
  }

  spec(id: string): ContainerSpec {
    return this.#entry(id).spec;
  }

  async create(spec: ContainerSpec): Promise<void> {
    this.calls.push(`create ${spec.id}`);
    if (this.createError) throw this.createError;
    if (this.#entries.has(spec.id)) throw conflict(`container ${spec.id} exists`);
    this.#entries.set(spec.id, { spec });
  }

  async start(id: string, output: OutputSink): Promise<RunningContainer> {
    this.calls.push(`start ${id}`);
    await this.startGate;
    const entry = this.#entry(id);
    if (entry.running) throw conflict(`container ${id} is running`);
    const program = this.#programOf(entry.spec);
    const run = new FakeRun(entry.spec, output);
    entry.running = run;
    run.execute(program, () => entry.running = undefined);
    return run;
  }

  async remove(id: string): Promise<void> {
    if (this.#entries.get(id)?.running) throw conflict(`container ${id} is running`);
    await this.removeGate;
    if (this.#entries.delete(id)) this.calls.push(`removed ${id}`);
  }

  async writtenBytes(): Promise<number> {
    return 0;
  }

  /** As an engine that is closed: whatever runs is killed. */
  async close(): Promise<void> {
    const running = [...this.#entries.values()].map((entry) => entry.running).filter((run) => !!run);
    await Promise.all(running.map(async (run) => {
      await run.kill(sigkill);
      await run.exited;
    }));
    this.#entries.clear();
  }

  #entry(id: string): Entry {
    const entry = this.#entries.get(id);
    if (!entry) throw notFound(`container ${id} is not known to the engine`);
    return entry;
  }

  #programOf({ args: [name = ""], user }: ContainerSpec): FakeProgram {
    if (user === "nosuchuser") {
      throw invalid(`unable to find user ${user}: no matching entries in passwd file`);
    }
    const failed = (why: string) =>
      invalid(`failed to create task: OCI runtime create failed: exec: "${name}": ${why}`);
    if (name.startsWith("/forbidden")) throw failed("permission denied");
    const program = this.programs[name];
    if (!program) throw failed("executable file not found in $PATH");
    return program;
  }
}

class FakeRun implements RunningContainer {
  readonly startedAt = new Date();
  readonly processId = 4242;
  readonly endpoint: RunningContainer["endpoint"];
  readonly exited: Promise<Exit>;
  readonly #process: FakeProcess;
  readonly #input = new FakeInput();
  readonly #sizes: { columns: number; rows: number }[] = [];
  #settle!: (code: number) => void;
  readonly #ended: Promise<number>;
  #busy: Record<OutputStream, Promise<void>> = { stdout: Promise.resolve(), stderr: Promise.resolve() };
  #over = false;
  #finished!: (exit: Exit) => void;

  constructor(spec: ContainerSpec, output: OutputSink) {
    this.endpoint = spec.network === "bridge"
      ? { ipAddress: "172.30.0.2", prefixLength: 24, gateway: "172.30.0.1", macAddress: "02:42:ac:1e:00:02" }
      : undefined;
    this.#ended = new Promise((resolve) => this.#settle = resolve);
    this.exited = new Promise((resolve) => this.#finished = resolve);
    if (!spec.openStdin) this.#input.end();
    this.#process = {
      spec,
      args: spec.args,
      input: this.#input,
      sizes: this.#sizes,
      forever: new Promise<never>(() => {}),
      print: (text, stream = "stdout") => this.#print(output, stream, text),
    };
  }

  execute(program: FakeProgram, ended: () => void): void {
    program(this.#process).then(this.#settle, () => this.#settle(1));
    void this.#ended.then(async (code) => {
      this.#over = true;
      this.#input.end();
      await Promise.all([this.#busy.stdout, this.#busy.stderr]);
      ended();
      this.#finished({ code, at: new Date(), oomKilled: false });
    });
  }

  async kill(signal: number): Promise<void> {
    if (this.#over || (signal !== sigkill && harmless.includes(signal))) return;
    if (signal !== sigkill && this.#process.onSignal) this.#process.onSignal(signal);
    else this.#settle(128 + signal);
  }

  async resize(size: { columns: number; rows: number }): Promise<void> {
    if (this.#process.spec.tty) this.#sizes.push(size);
  }

  async writeStdin(chunk: Uint8Array): Promise<void> {
    if (!this.#over) await this.#input.write(chunk);
  }

  async closeStdin(): Promise<void> {
    this.#input.end();
  }

  /** One call of the sink at a time for each stream, whatever the sink does with it. */
  #print(output: OutputSink, stream: OutputStream, text: string | Uint8Array): Promise<void> {
    if (this.#over || text.length === 0) return Promise.resolve();
    const chunk = Buffer.from(text);
    const shown = this.#process.spec.tty ? "stdout" : stream;
    return this.#busy[shown] = this.#busy[shown].then(() => output(shown, chunk)).catch(() => {});
  }
}

/** An image that the fake engine can run. */
export function fakeImage(parts: Partial<StoredImage["config"]["config"]> = {}, fill = "a"): StoredImage {
  const digest = `sha256:${fill.repeat(64)}`;
  return {
    id: digest,
    manifest: { mediaType: "application/vnd.oci.image.manifest.v1+json", digest, sizeBytes: 500 },
    config: {
      architecture: "amd64",
      os: "linux",
      config: { Env: ["PATH=/bin"], Cmd: ["stay"], ...parts },
      rootfs: { type: "layers", diff_ids: [] },
    },
    layers: [],
    configBlob: { mediaType: "application/vnd.oci.image.config.v1+json", digest, sizeBytes: 2 },
    layerSizesBytes: [],
    sizeBytes: 1000,
  };
}

/** The words an engine that is down answers with. */
export const engineDown = () => new ApiError("unavailable", "the container engine is down; try again");

/**
 * What every container engine must do, whoever it runs containers with. An engine's test file calls
 * {@link containerEngineContract} with a way to make one; the fake that other tests use passes it too.
 */
import { randomBytes } from "node:crypto";
import type { Undo } from "../../core/support/undo.ts";
import type {
  ContainerEngine,
  ContainerSpec,
  OutputSink,
  StoredImage,
} from "../../plugins/containers/backend.ts";
import { assert, eventually, rejection, test } from "../support/test.ts";

/** An engine to test, and the commands that its image has for each purpose. */
export interface EngineUnderTest {
  readonly engine: ContainerEngine;
  readonly image: StoredImage;
  readonly commands: {
    /** Prints the first text to standard output, the second to standard error, and ends with the code. */
    print(stdout: string, stderr: string, code: number): readonly string[];
    /** Copies standard input to standard output until its end. */
    readonly copy: readonly string[];
    /** Prints `ready` and runs until it is killed. */
    readonly stay: readonly string[];
    /** A name that no executable has. */
    readonly missing: readonly string[];
    /** A file that must not be executed. */
    readonly forbidden: readonly string[];
  };
}

/** Makes an engine with an empty job; what it made is undone by `undo`. */
export type EngineFactory = (undo: Undo) => Promise<EngineUnderTest>;

const sigterm = 15;
const sigkill = 9;

/** The smallest specification that runs these arguments. */
export function contractSpec(
  image: StoredImage,
  args: readonly string[],
  parts: Partial<ContainerSpec> = {},
): ContainerSpec {
  const id = randomBytes(32).toString("hex");
  return {
    id,
    image,
    args,
    env: ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
    workingDir: "/",
    user: "",
    hostname: id.slice(0, 12),
    domainname: "",
    tty: false,
    openStdin: false,
    network: "none",
    maskedPaths: ["/proc/kcore", "/proc/keys"],
    readonlyPaths: ["/proc/sys"],
    ...parts,
  };
}

function collect() {
  const text = { stdout: "", stderr: "" };
  const sink: OutputSink = (stream, chunk) => {
    text[stream] += Buffer.from(chunk).toString();
  };
  return { text, sink };
}

/** Declares the suite's tests. */
export function containerEngineContract(name: string, make: EngineFactory): void {
  const behaviour = (sentence: string, body: (subject: EngineUnderTest, undo: Undo) => Promise<void>) =>
    test(`${name}: ${sentence}`, async (undo) => body(await make(undo), undo));

  behaviour("has all output with the sink before it says that a container ended", async (subject) => {
    const { engine, image, commands } = subject;
    const spec = contractSpec(image, commands.print("to stdout", "to stderr", 0));
    await engine.create(spec);
    const { text, sink } = collect();
    const running = await engine.start(spec.id, sink);
    const exit = await running.exited;
    assert.equal(text, { stdout: "to stdout", stderr: "to stderr" });
    assert.is(exit.code, 0);
    assert.is(exit.oomKilled, false);
    assert.ok(exit.at.getTime() >= running.startedAt.getTime());
    await engine.remove(spec.id);
  });

  behaviour("reports exit codes as they are", async ({ engine, image, commands }) => {
    const codes = [1, 42, 255];
    const seen = await Promise.all(codes.map(async (code) => {
      const spec = contractSpec(image, commands.print("", "", code));
      await engine.create(spec);
      return (await (await engine.start(spec.id, () => {})).exited).code;
    }));
    assert.equal(seen, codes);
  });

  behaviour("ends a container by signal with 128 and the signal's number", async (subject) => {
    const { engine, image, commands } = subject;
    const spec = contractSpec(image, commands.stay);
    await engine.create(spec);
    const { text, sink } = collect();
    const running = await engine.start(spec.id, sink);
    await eventually("the container's first words", () => text.stdout.includes("ready"));
    await running.kill(sigkill);
    assert.is((await running.exited).code, 137);
  });

  behaviour("takes a signal to a container that ended quietly", async ({ engine, image, commands }) => {
    const spec = contractSpec(image, commands.print("", "", 0));
    await engine.create(spec);
    const running = await engine.start(spec.id, () => {});
    await running.exited;
    await running.kill(sigterm);
    await running.resize({ columns: 80, rows: 24 });
    await running.writeStdin(Buffer.from("nobody reads this"));
    await running.closeStdin();
    await running.closeStdin();
  });

  behaviour("sends standard input through to its end", async ({ engine, image, commands }) => {
    const spec = contractSpec(image, commands.copy, { openStdin: true });
    await engine.create(spec);
    const { text, sink } = collect();
    const running = await engine.start(spec.id, sink);
    const lines = Array.from({ length: 2_000 }, (_, index) => `line ${index} of the input\n`);
    for (const line of lines) await running.writeStdin(Buffer.from(line));
    await running.closeStdin();
    assert.is((await running.exited).code, 0);
    assert.is(text.stdout, lines.join(""));
  });

  behaviour("gives a container without standard input its end at once", async (subject) => {
    const { engine, image, commands } = subject;
    const spec = contractSpec(image, commands.copy);
    await engine.create(spec);
    const running = await engine.start(spec.id, () => {});
    assert.is((await running.exited).code, 0);
  });

  behaviour("never calls a sink that is still busy with the stream's last chunk", async (subject) => {
    const { engine, image, commands } = subject;
    const spec = contractSpec(image, commands.print("x".repeat(50_000), "", 0));
    await engine.create(spec);
    let inside = 0;
    let total = 0;
    const running = await engine.start(spec.id, async (stream, chunk) => {
      if (stream === "stdout") assert.is(++inside, 1);
      await new Promise((resolve) => setTimeout(resolve, 1));
      if (stream === "stdout") inside--;
      total += chunk.length;
    });
    await running.exited;
    assert.is(total, 50_000);
  });

  behaviour("survives a sink that fails", async ({ engine, image, commands }) => {
    const spec = contractSpec(image, commands.print("words", "", 3));
    await engine.create(spec);
    const running = await engine.start(spec.id, () => Promise.reject(new Error("the log is full")));
    assert.is((await running.exited).code, 3);
  });

  behaviour("starts a container again after it ended", async ({ engine, image, commands }) => {
    const spec = contractSpec(image, commands.print("once more", "", 0));
    await engine.create(spec);
    for (let round = 0; round < 3; round++) {
      const { text, sink } = collect();
      const running = await engine.start(spec.id, sink);
      await running.exited;
      assert.is(text.stdout, "once more");
    }
    await engine.remove(spec.id);
  });

  behaviour("says in runc's words which command it cannot run, and undoes the start", async (subject) => {
    const { engine, image, commands } = subject;
    const cases = [
      [commands.missing, /executable file not found in \$PATH/],
      [commands.forbidden, /permission denied/],
    ] as const;
    for (const [args, words] of cases) {
      const spec = contractSpec(image, args);
      await engine.create(spec);
      for (let round = 0; round < 2; round++) {
        const error = await rejection(engine.start(spec.id, () => {}));
        assert.match(error.message, words);
        assert.is((error as { kind?: string }).kind, "invalid");
      }
      await engine.remove(spec.id);
    }
  });

  behaviour("refuses a user that the image does not have", async ({ engine, image, commands }) => {
    const spec = contractSpec(image, commands.print("", "", 0), { user: "nosuchuser" });
    await engine.create(spec);
    const error = await rejection(engine.start(spec.id, () => {}));
    assert.match(error.message, "unable to find user nosuchuser: no matching entries in passwd file");
    assert.is((error as { kind?: string }).kind, "invalid");
  });

  behaviour("refuses to start what runs, and to remove it", async ({ engine, image, commands }) => {
    const spec = contractSpec(image, commands.stay);
    await engine.create(spec);
    const running = await engine.start(spec.id, () => {});
    assert.is((await rejection(engine.start(spec.id, () => {})) as { kind?: string }).kind, "conflict");
    assert.is((await rejection(engine.remove(spec.id)) as { kind?: string }).kind, "conflict");
    await running.kill(sigkill);
    await running.exited;
    await engine.remove(spec.id);
  });

  behaviour("removes what was never started, and what it does not know", async (subject) => {
    const { engine, image, commands } = subject;
    const spec = contractSpec(image, commands.stay);
    await engine.create(spec);
    await engine.remove(spec.id);
    await engine.remove(spec.id);
    await engine.remove("f".repeat(64));
    assert.is((await rejection(engine.start(spec.id, () => {})) as { kind?: string }).kind, "not-found");
  });

  behaviour("runs several containers at once", async ({ engine, image, commands }) => {
    const outputs = await Promise.all(Array.from({ length: 6 }, async (_, index) => {
      const spec = contractSpec(image, commands.print(`number ${index}`, "", 0));
      await engine.create(spec);
      const { text, sink } = collect();
      await (await engine.start(spec.id, sink)).exited;
      await engine.remove(spec.id);
      return text.stdout;
    }));
    assert.equal(outputs, Array.from({ length: 6 }, (_, index) => `number ${index}`));
  });
}

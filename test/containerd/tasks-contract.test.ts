import { Undo } from "../../core/support/undo.ts";
import { containerEngineContract } from "../contract/container-engine.ts";
import { test } from "../support/test.ts";
import { type Rig, startRig } from "./tasks-support.ts";

// One containerd for the whole file; the last test stops it.
const whole = new Undo("containerd");
let rig: Promise<Rig> | undefined;
let jobs = 0;

const shell = (script: string) => ["sh", "-c", script];
const quoted = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;

containerEngineContract("containerd", async (undo) => {
  const { engine, image } = await (rig ??= startRig(whole));
  return {
    engine: await engine(undo, `contract${++jobs}`),
    image,
    commands: {
      print: (stdout, stderr, code) =>
        shell(`printf %s ${quoted(stdout)}; printf %s ${quoted(stderr)} >&2; exit ${code}`),
      copy: ["cat"],
      stay: shell("echo ready; exec sleep 1000"),
      missing: ["nosuchcommand"],
      forbidden: ["/etc/passwd"],
    },
  };
});

test("containerd: stops without a trace", () => whole.run());

import { spawn } from "node:child_process";
import { copyFile, mkdir, readFile, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Undo } from "../../core/support/undo.ts";
import { root } from "../../scripts/tests/root.ts";
import { temporaryDir } from "../control/fakes.ts";
import { assert, test } from "../support/test.ts";
import { type Ended, ended } from "./berth.ts";

test("installs and compiles once, though two start at once, and says so on standard error alone", async (undo) => {
  const checkout = await fakeCheckout(undo);
  const both = await Promise.all([checkout.berth("one"), checkout.berth("two")]);
  assert.equal(both.map(({ exitCode, stdout }) => [exitCode, stdout]), [[0, "ran one\n"], [0, "ran two\n"]]);
  assert.equal(await checkout.steps(), ["npm ci", "tsc -p ."]);
  const again = await checkout.berth("three");
  assert.equal(again, { exitCode: 0, stdout: "ran three\n", stderr: "" });
  assert.equal(await checkout.steps(), ["npm ci", "tsc -p ."]);
});

test("compiles again when a source is newer", async (undo) => {
  const checkout = await fakeCheckout(undo);
  await checkout.berth("one");
  const later = new Date(Date.now() + 5_000);
  await utimes(join(checkout.dir, "core/a.ts"), later, later);
  assert.match((await checkout.berth("two")).stderr, /compiling/);
  assert.equal(await checkout.steps(), ["npm ci", "tsc -p .", "tsc -p ."]);
});

test("does not run what did not compile, and tries again", async (undo) => {
  const checkout = await fakeCheckout(undo);
  await checkout.breakCompiler(true);
  const broken = await checkout.berth("one");
  assert.equal([broken.exitCode, broken.stdout], [1, ""]);
  await checkout.breakCompiler(false);
  assert.is((await checkout.berth("two")).stdout, "ran two\n");
});

test("becomes the command itself, through a link too: signals need no passing on", async (undo) => {
  const checkout = await fakeCheckout(undo);
  await symlink(join(checkout.dir, "scripts/berth"), join(checkout.dir, "link"));
  const child = spawn(join(checkout.dir, "link"), ["pid"], { env: checkout.env });
  const { stdout } = await ended(child);
  assert.is(stdout, `ran pid\n${child.pid}\n`);
});

test("knows two runtimes and no other", async (undo) => {
  const checkout = await fakeCheckout(undo);
  const { exitCode, stderr } = await checkout.berth("one", { BERTH_RUNTIME: "bun" });
  assert.equal([exitCode, stderr], [2, 'berth: BERTH_RUNTIME is "bun"; it can be node or deno\n']);
});

/** A checkout with the real `scripts/berth`, and with programs in place of npm and the compiler that keep a record. */
async function fakeCheckout(undo: Undo) {
  const dir = await temporaryDir(undo);
  const record = join(dir, "record");
  for (const each of ["scripts", "core", "plugins", "bin"]) await mkdir(join(dir, each));
  await copyFile(join(root, "scripts/berth"), join(dir, "scripts/berth"));
  for (const each of ["core/a.ts", "tsconfig.json", "record"]) {
    await writeFile(join(dir, each), "");
  }

  const main =
    "console.log('ran', process.argv[2]); if (process.argv[2] === 'pid') console.log(process.pid);";
  const compiler = `#!/bin/sh
echo "tsc $*" >> ${record}
[ ! -e ${dir}/broken ] || exit 1
mkdir -p ${dir}/dist/scripts
echo "${main}" > ${dir}/dist/scripts/main.js
`;
  await writeFile(join(dir, "compiler"), compiler, { mode: 0o755 });
  const installer = `#!/bin/sh
echo "npm $1" >> ${record}
echo chatter
mkdir -p ${dir}/node_modules/@connectrpc/connect-node ${dir}/node_modules/.bin
ln -s ${dir}/compiler ${dir}/node_modules/.bin/tsc
`;
  await writeFile(join(dir, "bin/npm"), installer, { mode: 0o755 });
  const env = { ...process.env, PATH: `${dir}/bin:${process.env.PATH}`, BERTH_RUNTIME: "node" };
  return {
    dir,
    env,
    berth: (word: string, more: NodeJS.ProcessEnv = {}): Promise<Ended> =>
      ended(spawn(join(dir, "scripts/berth"), [word], { env: { ...env, ...more } })),
    steps: async () => (await readFile(record, "utf8")).trim().split("\n"),
    breakCompiler: async (broken: boolean) => {
      await writeFile(join(dir, "broken"), "");
      if (!broken) await rm(join(dir, "broken"));
    },
  };
}

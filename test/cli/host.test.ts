import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { lookByRunning } from "../../core/cli/doctor/check.ts";
import { version } from "../../core/support/about.ts";
import { serveControl, temporaryDir } from "../control/fakes.ts";
import { assert, test } from "../support/test.ts";
import { berth } from "./berth.ts";

test("lists plugins with their state, and why some do not run", async (undo) => {
  const { dataDir } = await serveControl(undo);
  const { stdout } = await berth("plugins", "--data-dir", dataDir);
  assert.match(stdout, /\nsystem +running +1 +Says who answers\n/);
  assert.match(stdout, /\ncni +skipped +0 +no bridge plugin in \/usr\/lib\/cni\n/);
  const [system, cni] = JSON.parse((await berth("plugins", "--json", "--data-dir", dataDir)).stdout);
  assert.equal(system.routes, [{ method: "GET", path: "/info" }]);
  assert.is(cni.reason, "no bridge plugin in /usr/lib/cni");
});

test("prints its version, and the daemon's when one is running", async (undo) => {
  const { dataDir } = await serveControl(undo);
  const { stdout } = await berth("version", "--data-dir", dataDir);
  assert.match(stdout, new RegExp(`^berth ${version.replaceAll(".", "\\.")} \\((node|deno) [0-9.]+\\)\n`));
  assert.match(stdout, /\ndaemon 9\.8\.7 \(fake 1\.0\)\n/);
  const alone = await berth("version", "--json", "--data-dir", await temporaryDir(undo));
  assert.is(alone.exitCode, 0);
  assert.match(JSON.parse(alone.stdout).daemon.problem, /^no daemon is running at /);
});

test("examines the host, and leaves neither mounts nor files", async (undo) => {
  const dataDir = join(await temporaryDir(undo), "berth");
  await mkdir(dataDir);
  const { stdout, exitCode } = await berth("doctor", "--json", "--data-dir", dataDir);
  const { ok, checks } = JSON.parse(stdout);
  assert.is(exitCode, ok ? 0 : 1);
  const names = checks.map(({ name }: { name: string }) => name);
  for (const name of ["containerd", "runc", "cni plugins", "cgroups", "overlayfs", "iptables", "mkfifo"]) {
    assert.ok(names.includes(name), name);
  }
  assert.equal(await readdir(dataDir), []);
  assert.not.match(await readFile("/proc/self/mountinfo", "utf8"), dataDir);
});

test("examines only what the config needs", async (undo) => {
  const dir = await temporaryDir(undo);
  const file = join(dir, "berth.toml");
  const socket = join(dir, "containerd.sock");
  await writeFile(file, `[plugins.containerd]\naddress = "${socket}"\n[plugins.cni]\nbinDirs = ["${dir}"]\n`);
  const examine = async () => {
    const { stdout } = await berth("doctor", "--json", "--config", file, "--data-dir", dir);
    const { checks } = JSON.parse(stdout) as { checks: { name: string; ok: boolean; detail: string }[] };
    return new Map(checks.map((check) => [check.name, check]));
  };
  const found = await examine();
  assert.is(found.get("cni plugins")?.detail, `no bridge, host-local, loopback in ${dir}`);
  assert.is(found.get("containerd")?.ok, false);
  assert.not.ok(found.has("runc"));
  const containerd = createServer().listen(socket);
  undo.add("containerd", () => containerd.close());
  assert.equal((await examine()).get("containerd")?.detail, `${socket} answers`);
  await writeFile(file, "[plugins.cni]\nenabled = false\n");
  assert.not.ok((await examine()).has("iptables"));
});

test("tells a program that is missing from one that fails", async () => {
  assert.equal(await lookByRunning("no-such-program"), {
    ok: false,
    detail: "no-such-program is not installed",
  });
  assert.equal(await lookByRunning("sh", "-c", "echo broken >&2; exit 3"), { ok: false, detail: "broken" });
  assert.equal(await lookByRunning("sh", "-c", "echo thing:; echo '  version 7'"), {
    ok: true,
    detail: "version 7",
  });
});

test("refuses a config file with a key it does not know, and names it", async (undo) => {
  const file = join(await temporaryDir(undo), "berth.toml");
  await writeFile(file, "logLevel = 'info'\nlogColour = true\n");
  const checked = await berth("config", "check", file);
  assert.is(checked.exitCode, 1);
  assert.match(checked.stderr, /^berth: .*berth\.toml: .*logColour/);
});

test("prints a default config that it accepts itself", async (undo) => {
  const { exitCode, stdout } = await berth("config", "--default");
  assert.is(exitCode, 0);
  assert.match(stdout, /\ndataDir = "\/var\/lib\/berth"\n/);
  const file = join(await temporaryDir(undo), "berth.toml");
  await writeFile(file, stdout);
  assert.equal(await berth("config", "check", file), {
    exitCode: 0,
    stdout: `${file} is good\n`,
    stderr: "",
  });
});

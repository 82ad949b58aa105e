import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Undo } from "../../core/support/undo.ts";
import {
  loadSeccomp,
  resolveSeccomp,
  type SeccompHost,
  type SeccompProfile,
} from "../../plugins/containerd/containers/seccomp.ts";
import { assert, rejection, test } from "../support/test.ts";

const allow = "SCMP_ACT_ALLOW";
const profile: SeccompProfile = {
  defaultAction: "SCMP_ACT_ERRNO",
  defaultErrnoRet: 38,
  archMap: [
    { architecture: "SCMP_ARCH_X86_64", subArchitectures: ["SCMP_ARCH_X86", "SCMP_ARCH_X32"] },
    { architecture: "SCMP_ARCH_AARCH64", subArchitectures: ["SCMP_ARCH_ARM"] },
  ],
  syscalls: [
    { names: ["read", "write"], action: allow, args: [], includes: {}, excludes: {} },
    { names: ["chroot"], action: allow, includes: { caps: ["CAP_SYS_CHROOT"] } },
    { names: ["chroot"], action: "SCMP_ACT_ERRNO", errnoRet: 1, excludes: { caps: ["CAP_SYS_CHROOT"] } },
    { names: ["bpf"], action: allow, args: null, includes: { caps: ["CAP_SYS_CHROOT", "CAP_SYS_ADMIN"] } },
    { names: ["arch_prctl"], action: allow, includes: { arches: ["amd64", "x32"] } },
    { names: ["ptrace"], action: allow, includes: { minKernel: "4.8" } },
    { names: ["personality"], action: allow, args: [{ index: 0, value: 4294967295, op: "SCMP_CMP_EQ" }] },
  ],
};
const host: SeccompHost = { capabilities: ["CAP_SYS_CHROOT"], architecture: "x64", kernel: "6.1.0-13-amd64" };

const namesFor = (parts: Partial<SeccompHost>) =>
  resolveSeccomp(profile, { ...host, ...parts }).syscalls.map(({ names, action }) =>
    `${names[0]} ${action === allow}`
  );

test("keeps the rules that are for the host's architecture, kernel and capabilities", () => {
  const everywhere = ["read true", "personality true"];
  assert.equal(namesFor({}), [
    "read true",
    "chroot true",
    "arch_prctl true",
    "ptrace true",
    "personality true",
  ]);
  assert.equal(namesFor({ capabilities: [], architecture: "arm64", kernel: "3.10.0" }), [
    "read true",
    "chroot false",
    "personality true",
  ]);
  for (const kernel of ["4.8.0", "5.0.1", "10.1"]) assert.ok(namesFor({ kernel }).includes("ptrace true"));
  for (const kernel of ["4.7.9", "3.18"]) assert.not.ok(namesFor({ kernel }).includes("ptrace true"));
  assert.equal(namesFor({ architecture: "mips" }).filter((name) => everywhere.includes(name)), everywhere);
});

test("names the architectures whose calls the kernel takes, and leaves out what a rule does not say", () => {
  const filter = resolveSeccomp(profile, host);
  assert.equal(filter.architectures, ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86"]);
  assert.is(resolveSeccomp(profile, { ...host, architecture: "ppc64" }).architectures, undefined);
  assert.is(filter.defaultErrnoRet, 38);
  assert.equal(JSON.parse(JSON.stringify(filter.syscalls[0])), { names: ["read", "write"], action: allow });
});

async function fileWith(undo: Undo, text: string): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "berth-seccomp-"));
  undo.add("directory", () => rm(dir, { recursive: true }));
  await writeFile(join(dir, "profile.json"), text);
  return join(dir, "profile.json");
}

test("loads a profile for this host", async (undo) => {
  const { filter, warning } = await loadSeccomp(await fileWith(undo, JSON.stringify(profile)));
  assert.is(filter?.defaultAction, "SCMP_ACT_ERRNO");
  assert.is(warning, undefined);
});

test("does without a profile, and without a warning, when it is told to", async () => {
  assert.equal(await loadSeccomp(""), {});
});

test("fails for a file that was asked for and is missing or no profile", async (undo) => {
  assert.match((await rejection(loadSeccomp("/no/such/profile"))).message, "seccompProfile /no/such/profile");
  for (const text of ["{", "[]", `{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{}]}`]) {
    const path = await fileWith(undo, text);
    assert.match((await rejection(loadSeccomp(path))).message, `seccompProfile ${path} cannot be used`);
  }
});

test("leaves out rules that say what holds for every other call", () => {
  const strict = resolveSeccomp({ ...profile, defaultErrnoRet: 1 }, { ...host, capabilities: [] });
  assert.not.ok(strict.syscalls.some(({ names }) => names.includes("chroot")));
});

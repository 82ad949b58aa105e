import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { arch, constants, release } from "node:os";
import { Ajv } from "ajv";
import { type Static, Type } from "typebox";
import { messageOf } from "../../../core/support/errors.ts";
import { defaultSeccompProfile } from "../settings.ts";
import { defaultCapabilities } from "./capabilities.ts";

/** Hosts that a rule is for, or is not for. */
const conditionSchema = Type.Object({
  caps: Type.Optional(Type.Union([Type.Array(Type.String()), Type.Null()])),
  arches: Type.Optional(Type.Union([Type.Array(Type.String()), Type.Null()])),
  minKernel: Type.Optional(Type.String()),
});

const argumentSchema = Type.Object({
  index: Type.Integer({ minimum: 0 }),
  value: Type.Number(),
  valueTwo: Type.Optional(Type.Number()),
  op: Type.String(),
});

/** A profile file of Docker's kind. Source: Docker Engine, seccomp security profiles. */
const profileSchema = Type.Object({
  defaultAction: Type.String(),
  defaultErrnoRet: Type.Optional(Type.Integer()),
  archMap: Type.Optional(Type.Array(Type.Object({
    architecture: Type.String(),
    subArchitectures: Type.Optional(Type.Union([Type.Array(Type.String()), Type.Null()])),
  }))),
  syscalls: Type.Array(Type.Object({
    names: Type.Array(Type.String()),
    action: Type.String(),
    errnoRet: Type.Optional(Type.Integer()),
    args: Type.Optional(Type.Union([Type.Array(argumentSchema), Type.Null()])),
    includes: Type.Optional(conditionSchema),
    excludes: Type.Optional(conditionSchema),
  })),
});

export type SeccompProfile = Static<typeof profileSchema>;
type Condition = Static<typeof conditionSchema>;
type Rule = SeccompProfile["syscalls"][number];

/** What a refused call answers when nothing else is said. Source: OCI runtime spec 1.0.2, seccomp. */
const { EPERM } = constants.errno;

/** What a profile's conditions are compared with. */
export interface SeccompHost {
  readonly capabilities: readonly string[];
  /** As Node names it: `x64`, `arm64`. */
  readonly architecture: string;
  /** `6.1.0-13-amd64`. */
  readonly kernel: string;
}

/** The names that profiles have for architectures: Go's in conditions, libseccomp's in the map. */
const architectures: Readonly<Record<string, { readonly go: string; readonly native: string }>> = {
  x64: { go: "amd64", native: "SCMP_ARCH_X86_64" },
  arm64: { go: "arm64", native: "SCMP_ARCH_AARCH64" },
  arm: { go: "arm", native: "SCMP_ARCH_ARM" },
  s390x: { go: "s390x", native: "SCMP_ARCH_S390X" },
  ppc64: { go: "ppc64le", native: "SCMP_ARCH_PPC64LE" },
  riscv64: { go: "riscv64", native: "SCMP_ARCH_RISCV64" },
};

/** Costs every start 7 ms, and kernels refuse its programs unless told otherwise at boot: with no rules they are killed. */
const unusedArchitecture = "SCMP_ARCH_X32";

/** The part of a profile that is for this host and these capabilities, as the OCI runtime specification has it. */
export function resolveSeccomp(profile: SeccompProfile, host: SeccompHost) {
  const native = architectures[host.architecture]?.native;
  const mapped = profile.archMap?.find(({ architecture }) => architecture === native);
  const others = (mapped?.subArchitectures ?? []).filter((name) => name !== unusedArchitecture);
  const { defaultAction, defaultErrnoRet } = profile;
  // Every rule costs each start some time: those that say what holds anyway go.
  const isDefault = ({ action, errnoRet }: Rule) =>
    action === defaultAction && (errnoRet ?? EPERM) === (defaultErrnoRet ?? EPERM);
  return {
    defaultAction,
    defaultErrnoRet,
    architectures: mapped && [mapped.architecture, ...others],
    syscalls: profile.syscalls
      .filter(({ includes, excludes }) => isFor(includes ?? {}, host) && !isAgainst(excludes ?? {}, host))
      .filter((rule) => !isDefault(rule))
      .map(({ names, action, errnoRet, args }) => ({
        names,
        action,
        errnoRet,
        args: args?.length ? args : undefined,
      })),
  };
}

/** `linux.seccomp` of an OCI runtime specification. Source: OCI runtime spec 1.0.2. */
export type SeccompFilter = ReturnType<typeof resolveSeccomp>;

function isFor({ arches, caps, minKernel }: Condition, host: SeccompHost): boolean {
  return (!arches?.length || arches.includes(architectures[host.architecture]?.go ?? "")) &&
    (caps ?? []).every((name) => host.capabilities.includes(name)) &&
    (minKernel === undefined || isAtLeast(host.kernel, minKernel));
}

function isAgainst({ arches, caps, minKernel }: Condition, host: SeccompHost): boolean {
  return (arches ?? []).includes(architectures[host.architecture]?.go ?? "") ||
    (caps ?? []).some((name) => host.capabilities.includes(name)) ||
    (minKernel !== undefined && isAtLeast(host.kernel, minKernel));
}

function isAtLeast(kernel: string, wanted: string): boolean {
  const [major = 0, minor = 0] = kernel.split(/[.-]/).map(Number);
  const [wantedMajor = 0, wantedMinor = 0] = wanted.split(".").map(Number);
  return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
}

/** What keeps containers from dangerous system calls, or why nothing does. */
export interface Seccomp {
  readonly filter?: SeccompFilter;
  readonly warning?: string;
}

/**
 * Loads a profile for this host and Docker's default capabilities. A file of the default name may be missing: that is a
 * warning. No name means that the operator wants none.
 *
 * Errors: a file that was asked for and cannot be read, or is no profile.
 */
export async function loadSeccomp(path: string): Promise<Seccomp> {
  if (path === "") return {};
  if (!existsSync("/proc/sys/kernel/seccomp")) {
    return { warning: "containers run without a seccomp profile: the kernel has no seccomp" };
  }
  if (path === defaultSeccompProfile && !existsSync(path)) {
    return {
      warning: `containers run without a seccomp profile: there is no ${path}; ` +
        "install the Debian package golang-github-containers-common, or name another one in seccompProfile",
    };
  }
  const profile = await readProfile(path);
  // Docker answers EPERM to whatever it does not allow; runc adds ENOSYS for calls newer than the profile.
  const asDocker = path === defaultSeccompProfile ? { ...profile, defaultErrnoRet: EPERM } : profile;
  return {
    filter: resolveSeccomp(asDocker, {
      capabilities: defaultCapabilities,
      architecture: arch(),
      kernel: release(),
    }),
  };
}

async function readProfile(path: string): Promise<SeccompProfile> {
  try {
    const profile: unknown = JSON.parse(await readFile(path, "utf8"));
    const ajv = new Ajv({ strict: false });
    if (!ajv.validate<SeccompProfile>(profileSchema, profile)) throw new Error(ajv.errorsText());
    return profile;
  } catch (error) {
    throw new Error(`seccompProfile ${path} cannot be used: ${messageOf(error)}`, { cause: error });
  }
}

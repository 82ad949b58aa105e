import { environmentOf } from "../../plugins/containerd/containers/environment.ts";
import { type RuntimeSpec, runtimeSpec, type SpecHost } from "../../plugins/containerd/containers/spec.ts";
import type { ContainerSpec, StoredImage } from "../../plugins/containers/backend.ts";
import { assert, test } from "../support/test.ts";

const container: ContainerSpec = {
  id: "a".repeat(64),
  image: {} as StoredImage,
  args: ["sh"],
  env: ["PATH=/bin"],
  workingDir: "/work",
  user: "",
  hostname: "box",
  domainname: "",
  tty: false,
  openStdin: false,
  network: "bridge",
  maskedPaths: ["/proc/kcore"],
  readonlyPaths: ["/proc/sys"],
};
const host: SpecHost = {
  user: { uid: 0, gid: 0, additionalGids: [10] },
  networkNamespace: "/run/netns/n1",
  etcDir: "/job/etc",
  cgroupsPath: "/berth-d/job/c",
  shimGroup: "g1",
  unifiedCgroups: false,
};

const specWith = (parts: Partial<ContainerSpec> = {}, hostParts: Partial<SpecHost> = {}) =>
  runtimeSpec({ ...container, ...parts }, { ...host, ...hostParts });
const namespacesOf = (spec: RuntimeSpec) => spec.linux.namespaces.map(({ type }) => type);

test("the environment starts with PATH, HOSTNAME and, with a terminal, TERM", () => {
  assert.equal(environmentOf({ env: ["A=1", "PATH=/x"], hostname: "h", tty: false }), [
    "PATH=/x",
    "HOSTNAME=h",
    "A=1",
  ]);
  assert.equal(environmentOf({ env: ["TERM=dumb", "HOSTNAME=own", "B="], hostname: "h", tty: true }), [
    "HOSTNAME=own",
    "TERM=dumb",
    "B=",
  ]);
});

test("root has Docker's fourteen capabilities, others the bounding set alone", () => {
  const root = specWith().process.capabilities;
  assert.is(root["effective"]?.length, 14);
  assert.equal(Object.keys(root).sort(), ["bounding", "effective", "permitted"]);
  const other = specWith({}, { user: { uid: 5, gid: 5, additionalGids: [] } }).process.capabilities;
  assert.equal(Object.keys(other), ["bounding"]);
});

test("the primary group is among the additional ones", () => {
  assert.equal(specWith().process.user, { uid: 0, gid: 0, additionalGids: [0, 10] });
});

test("the network namespace is the lent one, or a new one with loopback", () => {
  const network = (spec: RuntimeSpec) => spec.linux.namespaces.find(({ type }) => type === "network");
  assert.equal(network(specWith()), { type: "network", path: "/run/netns/n1" });
  assert.is(network(specWith({}, { networkNamespace: undefined }))?.path, undefined);
});

test("a cgroup namespace comes with the unified hierarchy only, a user namespace never", () => {
  assert.equal(namespacesOf(specWith()), ["mount", "network", "uts", "pid", "ipc"]);
  assert.ok(namespacesOf(specWith({}, { unifiedCgroups: true })).includes("cgroup"));
});

test("a container sees its own hosts, hostname and resolv.conf", () => {
  const sources = specWith().mounts.filter(({ type }) => type === "bind").map(({ source }) => source);
  assert.equal(sources, ["/job/etc/resolv.conf", "/job/etc/hostname", "/job/etc/hosts"]);
});

test("the terminal's size goes along only with a terminal", () => {
  const consoleSize = { columns: 80, rows: 24 };
  assert.equal(specWith({ tty: true, consoleSize }).process.consoleSize, { width: 80, height: 24 });
  assert.is(specWith({ consoleSize }).process.consoleSize, undefined);
});

test("all devices but the harmless ones are denied", () => {
  const [first, ...others] = specWith().linux.resources.devices;
  assert.equal(first, { allow: false, access: "rwm" });
  assert.ok(others.every(({ type }) => type === "c"));
});

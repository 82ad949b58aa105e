import { mkdtemp, rm } from "node:fs/promises";
import { JobToken } from "../../core/kernel/job.ts";
import type { PluginContext } from "../../core/kernel/plugin.ts";
import { Scope } from "../../core/kernel/scope.ts";
import { DaemonToken } from "../../core/kernel/tokens.ts";
import { silent } from "../../core/support/logger.ts";
import type { Undo } from "../../core/support/undo.ts";
import { ContainerEngineToken } from "../../plugins/containers/backend.ts";
import { type JobNetwork, JobNetworkToken } from "../../plugins/containerd/backend.ts";
import { findExecutable } from "../../plugins/containerd/host-checks.ts";
import plugin from "../../plugins/containerd/plugin.ts";
import type { Settings } from "../../plugins/containerd/settings.ts";
import { ConnectionToken, SupervisorToken } from "../../plugins/containerd/tokens.ts";
import { ImageStoreToken } from "../../plugins/images/backend.ts";
import { imageOf, layerOf } from "../contract/image-store-fixtures.ts";
import { assert, rejection, test } from "../support/test.ts";
import { privateContainerd } from "./store-containerd.ts";
import { daemonWith, jobNamed, testSettings } from "./store-jobs.ts";

test("binds an image store and a container engine to every job of a daemon", async (undo) => {
  const scope = await openDaemon(undo, await contextFor(undo));
  for (const id of ["one", "two"]) {
    const job = await openJob(undo, scope, await contextFor(undo), id);
    assert.ok(job.has(ContainerEngineToken));
    const source = imageOf([await layerOf({ "a": "1" })], "registry.test/app");
    await job.get(ImageStoreToken).ingest(source, () => {}, new AbortController().signal);
    assert.is(source.reads.length, id === "one" ? 2 : 0);
  }
});

test("tells the versions of containerd and runc", async (undo) => {
  const scope = await openDaemon(undo, await contextFor(undo));
  const described = await plugin.describe?.(scope);
  assert.match(described?.version as string, /^\d+\.\d+/);
  assert.match(described?.details?.runc as string, /^\d+\.\d+/);
});

test("uses a containerd that runs already, in a namespace of its own, and leaves it running", async (undo) => {
  const external = await privateContainerd(undo);
  const context = await contextFor(undo, { address: external.address });
  assert.is(await plugin.start?.(context), undefined);
  const scope = await openDaemon(undo, context);
  assert.not(scope.has(SupervisorToken));
  assert.is(scope.get(ConnectionToken).namespace, "berth-aaaaaaaa");
  await scope.close();
  await external.version.version({});
});

test("fails when nothing answers at the address of the settings", async (undo) => {
  const context = await contextFor(undo, { address: "/nonexistent/containerd.sock" });
  const error = await rejection(Promise.resolve(plugin.start?.(context)));
  assert.match(error.message, "no containerd answers at /nonexistent/containerd.sock");
});

test("is skipped where containerd or runc is missing, naming the package", async (undo) => {
  const without = async (settings: Partial<Settings>) => plugin.start?.(await contextFor(undo, settings));
  assert.match(
    JSON.stringify(await without({ binary: "no-containerd" })),
    "install the Debian package containerd",
  );
  assert.match(JSON.stringify(await without({ runc: "no-runc" })), "install the Debian package runc");
});

test("finds programs on the path, by absolute path, and where Debian puts root's", () => {
  assert.is(findExecutable("/bin/sh"), "/bin/sh");
  assert.is(findExecutable("sh", "/nonexistent:/bin"), "/bin/sh");
  assert.is(findExecutable("runc", ""), "/usr/sbin/runc");
  assert.is(findExecutable("/etc/passwd"), undefined);
});

const noNetwork: JobNetwork = {
  lend: () => Promise.reject(new Error("no network in this test")),
  giveBack: () => Promise.resolve(),
  prepare() {},
  nameservers: [],
};

async function contextFor(undo: Undo, changes: Partial<Settings> = {}): Promise<PluginContext<Settings>> {
  const dataDir = await mkdtemp("/tmp/berth-ctrd-");
  undo.add(dataDir, () => rm(dataDir, { recursive: true }));
  const daemon = { ...daemonWith([]), dataDir };
  return { settings: { ...testSettings, ...changes }, log: silent, daemon };
}

async function openDaemon(undo: Undo, context: PluginContext<Settings>): Promise<Scope> {
  const scope = Scope.daemon();
  scope.bind(DaemonToken, { value: context.daemon });
  plugin.daemon?.(scope, context);
  undo.add("daemon scope", () => scope.close());
  await scope.open();
  return scope;
}

async function openJob(
  undo: Undo,
  daemon: Scope,
  context: PluginContext<Settings>,
  id: string,
): Promise<Scope> {
  const scope = daemon.job(id);
  const dir = await mkdtemp("/tmp/berth-ctrd-job-");
  undo.add(dir, () => rm(dir, { recursive: true }));
  const job = jobNamed(id, { dir });
  scope.bind(JobToken, { value: job });
  scope.bind(JobNetworkToken, { value: noNetwork });
  plugin.job?.(scope, context, job);
  undo.add(`scope of job ${id}`, () => scope.close());
  await scope.open();
  return scope;
}

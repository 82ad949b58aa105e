import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Job } from "../../core/kernel/job.ts";
import { Scope } from "../../core/kernel/scope.ts";
import { DaemonToken, JobToken, PluginDirectoryToken } from "../../core/kernel/tokens.ts";
import { checkSettings } from "../../core/kernel/settings.ts";
import { silent } from "../../core/support/logger.ts";
import type { Undo } from "../../core/support/undo.ts";
import { ImageLookupToken } from "../../plugins/containers/backend.ts";
import { ImageStoreToken, RegistriesToken } from "../../plugins/images/backend.ts";
import images from "../../plugins/images/plugin.ts";
import registry from "../../plugins/registry/plugin.ts";
import { ImageCountsToken } from "../../plugins/system/backend.ts";
import type { ImageLoad } from "../../plugins/images/load.ts";
import { Settings as RegistrySettings } from "../../plugins/registry/settings.ts";
import type { InfoFacts } from "../../plugins/system/info.ts";
import system from "../../plugins/system/plugin.ts";
import { facts } from "../support/facts.ts";
import { assert, test } from "../support/test.ts";
import { bodyOf, linesOf, request } from "./area.ts";
import { FakeHost } from "./fake-store.ts";
import { dockerArchive, smallImage } from "./small-image.ts";

const context = <T>(settings: T) => ({ settings, log: silent, daemon: facts() });
const settings = {
  defaultRegistry: "docker.io",
  loadLimitBytes: 1e9,
  importFromUrls: true,
  preload: [],
  cache: { highPercent: 85, lowPercent: 80 },
};
const never = new AbortController().signal;

async function openDaemon(undo: Undo) {
  const daemon = Scope.daemon();
  daemon.bind(DaemonToken, { value: facts() });
  daemon.bind(PluginDirectoryToken, { value: { list: () => [], describe: async () => [] } });
  const registrySettings = checkSettings<RegistrySettings>(RegistrySettings, {}, "plugins.registry");
  registry.daemon?.(daemon, context(registrySettings));
  await daemon.open();
  undo.add("daemon scope", () => daemon.close());
  const host = new FakeHost();
  return (id: string) => openJob(undo, daemon, host, id);
}

async function openJob(undo: Undo, daemon: Scope, host: FakeHost, id: string) {
  const dir = await mkdtemp(join(tmpdir(), "berth-images-"));
  undo.add("job directory", () => rm(dir, { recursive: true, force: true }));
  const job: Job = {
    id,
    labels: {},
    dir,
    socketPath: join(dir, "d.sock"),
    openedAt: new Date(),
    signal: never,
    log: silent,
    abandoned: false,
  };
  const scope = daemon.job(id);
  scope.bind(JobToken, { value: job });
  scope.bind(ImageStoreToken, { value: host.storeOfJob() });
  images.job?.(scope, context(settings), job);
  system.job?.(scope, context({}), job);
  await scope.open();
  undo.add(`job ${id}'s scope`, () => scope.close());
  return scope;
}

test("every route of the areas finds its handler in a job's scope", async (undo) => {
  const scope = await (await openDaemon(undo))("one");
  assert.ok(scope.get(RegistriesToken));
  for (const { path, handler, call } of [...images.routes ?? [], ...system.routes ?? []]) {
    const object = scope.get(handler) as Record<string, unknown>;
    assert.type(object[call], "function", path);
  }
});

test("keeps two jobs' images apart", async (undo) => {
  const open = await openDaemon(undo);
  const [one, two] = [await open("one"), await open("two")];
  const archive = await dockerArchive(await smallImage(["a"]), ["app:1"]);
  const load = one.get(routeOf("/images/load").handler) as ImageLoad;
  await linesOf(load.load(request({ body: archive, query: { quiet: "1" } })));
  assert.ok(one.get(ImageLookupToken).find("app:1"));
  assert.throws(() => two.get(ImageLookupToken).find("app:1"), /^No such image: app:1$/);
  assert.is(two.get(ImageCountsToken).imageCount(), 0);
});

test("counts images in info without containers being there", async (undo) => {
  const scope = await (await openDaemon(undo))("one");
  const info = scope.get(routeOf("/info").handler) as InfoFacts;
  assert.is(bodyOf<{ Images: number }>(await info.show()).Images, 0);
});

function routeOf(path: string) {
  const found = [...images.routes ?? [], ...system.routes ?? []].find((each) => each.path === path);
  if (!found) throw new Error(`no route ${path}`);
  return found;
}

/** What goes, and in which order, when images are removed and pruned, and what keeps them. */
import { buildImage, imageArchive, type ImageRecipe } from "../support/busybox-image.ts";
import { type Ask, filters, platform } from "./ask.ts";

const tar = { "Content-Type": "application/x-tar" };
const container = "berth-oracle-keeper";

export async function playRemovals(ask: Ask): Promise<void> {
  await playNames(ask);
  await playUsers(ask);
  await playPrune(ask);
}

/** Loads an image with a layer of its own; gives its ID. */
async function load(ask: Ask, step: string, tags: string[], labels: Record<string, string> = {}) {
  const recipe: ImageRecipe = { tags, config: { Labels: labels }, files: { "/own": { content: step } } };
  await ask(`load ${step}`, "POST", "/v1.51/images/load?quiet=1", await imageArchive(recipe), tar);
  return (await buildImage(recipe)).id;
}

async function playNames(ask: Ask): Promise<void> {
  const remove = (step: string, name: string) =>
    ask(`image remove ${step}`, "DELETE", `/v1.51/images/${name}`);
  await remove("unknown", "berth-oracle/none:x");
  await remove("bad name", "UPPER");
  await remove("platform malformed", "berth-oracle/none?platforms={}");
  const names = ["berth-oracle/two:1", "berth-oracle/two:2", "localhost/two:1"];
  const id = await load(ask, "names", names);
  await remove("of two repositories by ID", id);
  await remove("other platform", `berth-oracle/two:1?${platform("linux", "s390x", "platforms")}`);
  const twice = [platform("linux", "amd64", "platforms"), platform("linux", "s390x", "platforms")].join("&");
  await remove("two platforms", `berth-oracle/two:1?${twice}`);
  await remove("one of three names", "berth-oracle/two:1");
  await remove("name again", "berth-oracle/two:1");
  await remove("other repository", "localhost/two:1");
  await remove("by start of ID", `${id.slice(7, 19)}?noprune=1`);
  await load(ask, "names again", names);
  const again =
    (await buildImage({ config: { Labels: {} }, files: { "/own": { content: "names again" } } })).id;
  await remove("by ID forced", `${again}?force=1`);
}

async function playUsers(ask: Ask): Promise<void> {
  const remove = (step: string, name: string) =>
    ask(`image remove ${step}`, "DELETE", `/v1.51/images/${name}`);
  const create = (step: string, Image: string) =>
    ask(`create ${step}`, "POST", `/v1.51/containers/create?name=${container}`, {
      Image,
      Cmd: ["sleep", "1000"],
    });
  const leave = (step: string) => ask(`remove ${step}`, "DELETE", `/v1.51/containers/${container}?force=1`);
  const id = await load(ask, "used", ["berth-oracle/used:1"]);
  await create("user", "berth-oracle/used:1");
  await remove("used by stopped", "berth-oracle/used:1");
  await remove("used by stopped by ID", id);
  await ask("image tag used", "POST", `/v1.51/images/${id}/tag?repo=berth-oracle/used&tag=2`);
  await remove("one of two names, used", "berth-oracle/used:1");
  await remove("used by stopped, forced", "berth-oracle/used:2?force=1");
  await leave("user");
  const running = await load(ask, "running", ["berth-oracle/running:1"], { "berth-oracle.running": "" });
  await create("running user", "berth-oracle/running:1");
  await ask("start user", "POST", `/v1.51/containers/${container}/start`);
  await remove("used by running", "berth-oracle/running:1");
  await remove("used by running by ID, forced", `${running}?force=1`);
  await remove("used by running, forced", "berth-oracle/running:1?force=1");
  await remove("nameless, used by running", running);
  await ask(
    "prune nameless, used",
    "POST",
    `/v1.51/images/prune?${filters({ label: ["berth-oracle.running"] })}`,
  );
  await leave("running user");
  await remove("nameless", running.slice(7, 27));
}

async function playPrune(ask: Ask): Promise<void> {
  const mine = { label: ["berth-oracle.prune"] };
  const prune = (step: string, value: object) =>
    ask(`prune ${step}`, "POST", `/v1.51/images/prune?${filters({ ...mine, ...value })}`);
  const labels = { "berth-oracle.prune": "1", stage: "one" };
  await load(ask, "prune", ["berth-oracle/prune:1", "localhost/prune:1"], labels);
  await load(ask, "prune used", ["berth-oracle/kept:1"], labels);
  await ask("create pruned user", "POST", `/v1.51/containers/create?name=${container}`, {
    Image: "berth-oracle/kept:1",
    Cmd: ["true"],
  });
  await prune("dangling", {});
  await prune("dangling true", { dangling: ["true"] });
  await prune("other label", { dangling: ["false"], label: [...mine.label, "stage=two"] });
  await prune("not label", { dangling: ["false"], "label!": ["stage=one"] });
  await prune("until", { dangling: ["0"], until: ["2020-01-01T00:00:00"] });
  await prune("bad until", { until: ["yesterday"] });
  await prune("two untils", { until: ["1h", "2h"] });
  await prune("bad dangling", { dangling: ["maybe"] });
  await prune("bad filter", { reference: ["x"] });
  await prune("all", { dangling: ["false"], until: ["1h"] });
  await ask("remove pruned user", "DELETE", `/v1.51/containers/${container}`);
  await prune("rest", { dangling: ["false"] });
  await prune("nothing", { dangling: ["false"] });
}

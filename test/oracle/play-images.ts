/** Images that are loaded: what lists, inspections and histories tell, and names. */
import { imageArchive } from "../support/busybox-image.ts";
import { type Ask, filters, platform } from "./ask.ts";

/** The image that the play loads first and removes last. */
export const playedImage = "berth-oracle/busybox:1";

const image = `/images/${playedImage}`;
const tar = { "Content-Type": "application/x-tar" };

export async function playImages(ask: Ask): Promise<void> {
  const archive = await imageArchive({
    tags: [playedImage],
    config: { Labels: { "a.label": "value" }, WorkingDir: "/tmp" },
  });
  await ask("load", "POST", "/v1.51/images/load?quiet=1", archive, tar);
  await playInspect(ask);
  await playHistory(ask);
  await playList(ask);
  await playTags(ask);
}

async function playInspect(ask: Ask): Promise<void> {
  await ask("image inspect", "GET", `/v1.51${image}/json`);
  await ask("image inspect 1.49", "GET", `/v1.49${image}/json`);
  await ask("image inspect 1.43", "GET", `/v1.43${image}/json`);
  await ask("image inspect 1.24", "GET", `/v1.24${image}/json`);
  await ask("image inspect manifests", "GET", `/v1.51${image}/json?manifests=1`);
  await ask("image inspect platform", "GET", `/v1.51${image}/json?${platform("linux", "amd64")}`);
  await ask("image inspect other platform", "GET", `/v1.51${image}/json?${platform("linux", "s390x")}`);
  await ask("image inspect no platform", "GET", `/v1.51${image}/json?platform={}`);
  await ask("image inspect platform 1.48", "GET", `/v1.48${image}/json?${platform("linux", "s390x")}`);
  const both = `manifests=1&${platform("linux", "amd64")}`;
  await ask("image inspect platform and manifests", "GET", `/v1.51${image}/json?${both}`);
  await ask("image inspect unknown", "GET", "/v1.51/images/berth-oracle/none/json");
  await ask("image inspect bad name", "GET", "/v1.51/images/UPPER/json");
  await ask("image inspect unknown ID", "GET", `/v1.51/images/sha256:${"0a".repeat(32)}/json`);
}

async function playHistory(ask: Ask): Promise<void> {
  const archive = await imageArchive({
    tags: ["berth-oracle/history:1", "berth-oracle/history:2"],
    created: "2024-01-01T00:00:03Z",
    config: { Labels: { "another.label": "other" } },
    files: { "/file": { content: "on top" } },
    history: [
      { created: "2024-01-01T00:00:00Z", created_by: "first layer", comment: "from somewhere" },
      { created: "2024-01-01T00:00:01.5Z", created_by: "ENV A=b", empty_layer: true },
      { created_by: "second layer" },
      { created: "2024-01-01T00:00:03Z", empty_layer: true, author: "somebody" },
    ],
  });
  const history = "/images/berth-oracle/history:1/history";
  await ask("load with history", "POST", "/v1.51/images/load?quiet=1", archive, tar);
  await ask("image history", "GET", `/v1.51${history}`);
  await ask("image history 1.24", "GET", `/v1.24${history}`);
  await ask("image history platform", "GET", `/v1.51${history}?${platform("linux", "amd64")}`);
  await ask("image history other platform", "GET", `/v1.51${history}?${platform("linux", "s390x")}`);
  await ask("image history half a platform", "GET", `/v1.51${history}?${platform("linux", "")}`);
  await ask("image history unknown", "GET", "/v1.51/images/berth-oracle/none/history");
  await ask("image inspect with history", "GET", "/v1.51/images/berth-oracle/history:1/json");
}

async function playList(ask: Ask): Promise<void> {
  const list = (name: string, value: object, version = "1.51", more = "") =>
    ask(
      `image list ${name}`,
      "GET",
      `/v${version}/images/json?${filters({ reference: ["berth-oracle/*"], ...value })}${more}`,
    );
  await list("1.51", {});
  await list("1.43", {}, "1.43");
  await list("1.24", {}, "1.24");
  await list("all", {}, "1.51", "&all=1&digests=1&manifests=1");
  await list("shared size", {}, "1.51", "&shared-size=1");
  await list("label", { label: ["a.label"] });
  const old = { reference: { "berth-oracle/*": true }, label: { "a.label=value": true } };
  await ask("image list old form", "GET", `/v1.51/images/json?${filters(old)}`);
  await list("label value", { label: ["a.label=value"] });
  await list("label other value", { label: ["a.label=other"] });
  await list("two labels", { label: ["a.label", "another.label"] });
  await list("before", { before: [playedImage] });
  await list("since", { since: [playedImage] });
  await list("before unknown", { before: ["berth-oracle/none"] });
  await list("until", { until: ["2023-12-31"] });
  await list("until later", { until: ["2024-01-02T00:00:00Z", "24h"] });
  await list("until bad", { until: ["yesterday"] });
  await list("dangling", { dangling: ["true"] });
  await list("not dangling", { dangling: ["0"] });
  await list("dangling bad", { dangling: ["maybe"] });
  await list("dangling nothing", { dangling: [] });
  await list("by tag", { reference: ["berth-oracle/*:2", "berth-oracle/none"] });
  await list("bad pattern", { reference: ["["] });
  await list("bad filter", { no: ["x"] });
  await ask("image list old filter", "GET", "/v1.40/images/json?filter=berth-oracle/history");
}

async function playTags(ask: Ask): Promise<void> {
  const tag = (name: string, query: string, from = playedImage) =>
    ask(`image tag ${name}`, "POST", `/v1.51/images/${from}/tag?${query}`);
  await tag("new", "repo=berth-oracle/other&tag=2");
  await tag("taken", "repo=berth-oracle/other&tag=2", "berth-oracle/history:1");
  await ask("image inspect moved tag", "GET", "/v1.51/images/berth-oracle/other:2/json");
  await tag("latest", "repo=berth-oracle/other");
  await tag("in the repository", "repo=berth-oracle/other:3");
  await tag("in both", "repo=berth-oracle/other:3&tag=4");
  await tag("bad name", "repo=UPPER&tag=2");
  await tag("bad tag", "repo=berth-oracle/other&tag=-");
  await tag("unknown", "repo=x&tag=2", "berth-oracle/none");
  await tag("unknown and bad name", "repo=UPPER", "berth-oracle/none");
  await tag("of a bad name", "repo=x", "UPPER");
  await tag("with digest", `repo=berth-oracle/other@sha256:${"a".repeat(64)}`);
  await tag("digest for a tag", `repo=berth-oracle/other&tag=sha256:${"a".repeat(64)}`);
  await tag("ambiguous", "repo=sha256&tag=2");
  await tag("like an ID", `repo=${"a".repeat(64)}`);
  for (const name of ["other:2", "other:latest", "other:3", "other:4", "history:1"]) {
    await ask(`image untag ${name}`, "DELETE", `/v1.51/images/berth-oracle/${name}`);
  }
  await ask("image remove with history", "DELETE", "/v1.51/images/berth-oracle/history:2");
}

export async function playTidy(ask: Ask): Promise<void> {
  await ask("image remove", "DELETE", `/v1.51${image}`);
}

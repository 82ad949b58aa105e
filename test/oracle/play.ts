import { call } from "../support/engine-api.ts";
import { buildImage, imageArchive } from "../support/busybox-image.ts";
import { readBody, type RecordedAnswer } from "./normalise.ts";

/** Answers by the name of their step. */
export type Recording = Record<string, RecordedAnswer>;

/** Asks one engine a fixed list of questions. The same list is recorded from the oracle and played against Berth. */
export async function play(socketPath: string): Promise<Recording> {
  const recording: Recording = {};
  const ask: Ask = async (name, method, path, body, headers) => {
    if (recording[name]) throw new Error(`two steps are called ${name}`);
    const answer = await call(socketPath, method, path, { body, headers });
    const contentType = String(answer.headers["content-type"] ?? "");
    recording[name] = { status: answer.status, contentType, body: readBody(contentType, answer.text) };
    return answer.text;
  };
  await playRoutes(ask);
  await playImages(ask);
  await playCreateErrors(ask);
  await playLife(ask);
  await playStates(ask);
  await playTidy(ask);
  return recording;
}

type Ask = (
  name: string,
  method: string,
  path: string,
  body?: unknown,
  headers?: Record<string, string>,
) => Promise<string>;

const image = "berth-oracle/busybox:1";
const plain = { "Content-Type": "application/json" };

async function playRoutes(ask: Ask): Promise<void> {
  await ask("ping", "GET", "/_ping");
  await ask("unknown path", "GET", "/v1.51/nothing");
  await ask("unknown method", "PUT", "/v1.51/containers/json");
  await ask("old version", "GET", "/v1.24/containers/json");
}

async function playImages(ask: Ask): Promise<void> {
  const archive = await imageArchive({
    tags: [image],
    config: { Labels: { "a.label": "value" }, WorkingDir: "/tmp" },
  });
  await ask("load", "POST", "/v1.51/images/load?quiet=1", archive, { "Content-Type": "application/x-tar" });
  await ask("image inspect", "GET", `/v1.51/images/${image}/json`);
  await ask("image inspect 1.43", "GET", `/v1.43/images/${image}/json`);
  const filter = encodeURIComponent(JSON.stringify({ reference: [image] }));
  await ask("image list", "GET", `/v1.51/images/json?filters=${filter}`);
  await ask("image list 1.43", "GET", `/v1.43/images/json?filters=${filter}`);
  await ask("image inspect unknown", "GET", "/v1.51/images/berth-oracle/none/json");
  await ask("image remove unknown", "DELETE", "/v1.51/images/berth-oracle/none:x");
  await ask("image tag", "POST", `/v1.51/images/${image}/tag?repo=berth-oracle/other&tag=2`);
  await ask("image tag bad name", "POST", `/v1.51/images/${image}/tag?repo=UPPER&tag=2`);
  await ask("image tag unknown", "POST", "/v1.51/images/berth-oracle/none/tag?repo=x&tag=2");
  await ask("image untag", "DELETE", "/v1.51/images/berth-oracle/other:2");
  await ask(
    "image list bad filter",
    "GET",
    `/v1.51/images/json?filters=${encodeURIComponent('{"no":["x"]}')}`,
  );
}

async function playCreateErrors(ask: Ask): Promise<void> {
  const create = "/v1.51/containers/create";
  await ask("create malformed", "POST", create, Buffer.from("{"), plain);
  await ask("create unknown image", "POST", create, { Image: "berth-oracle/none", Cmd: ["true"] });
  await ask("create bad reference", "POST", create, { Image: "UPPER:::", Cmd: ["true"] });
  await ask("create bad name", "POST", `${create}?name=_`, { Image: image });
  await ask("create relative workdir", "POST", create, { Image: image, WorkingDir: "relative" });
  await ask("inspect unknown", "GET", "/v1.51/containers/berth-none/json");
  await ask("start unknown", "POST", "/v1.51/containers/berth-none/start");
  await ask("stop unknown", "POST", "/v1.51/containers/berth-none/stop");
  await ask("kill unknown", "POST", "/v1.51/containers/berth-none/kill");
  await ask("wait unknown", "POST", "/v1.51/containers/berth-none/wait");
  await ask("logs unknown", "GET", "/v1.51/containers/berth-none/logs?stdout=1");
  await ask("remove unknown", "DELETE", "/v1.51/containers/berth-none");
  await ask("resize unknown", "POST", "/v1.51/containers/berth-none/resize?h=1&w=1");
  await ask("attach unknown", "POST", "/v1.51/containers/berth-none/attach?stream=1");
}

async function playLife(ask: Ask): Promise<void> {
  const body = {
    Image: image,
    Cmd: ["sh", "-c", "echo out; echo err >&2; exit 3"],
    Env: ["A=1"],
    Labels: { mine: "yes" },
    Hostname: "box",
  };
  const life = "/v1.51/containers/berth-oracle-life";
  const filter = encodeURIComponent(JSON.stringify({ name: ["berth-oracle-life"] }));
  const list = `/containers/json?all=1&filters=${filter}`;
  await ask("create", "POST", "/v1.51/containers/create?name=berth-oracle-life", body);
  await ask("create name taken", "POST", "/v1.51/containers/create?name=berth-oracle-life", body);
  await ask("inspect created", "GET", `${life}/json`);
  await ask("list created", "GET", `/v1.51${list}`);
  await ask("logs created", "GET", `${life}/logs?stdout=1&stderr=1`);
  await ask("logs neither stream", "GET", `${life}/logs`);
  await ask("kill created", "POST", `${life}/kill`);
  await ask("stop created", "POST", `${life}/stop`);
  await ask("start", "POST", `${life}/start`);
  await ask("wait", "POST", `${life}/wait`);
  await ask("inspect exited", "GET", `${life}/json`);
  await ask("inspect exited 1.41", "GET", "/v1.41/containers/berth-oracle-life/json");
  await ask("list exited", "GET", `/v1.51${list}`);
  await ask("list exited 1.41", "GET", `/v1.41${list}`);
  await ask("logs stdout", "GET", `${life}/logs?stdout=1`);
  await ask("logs stderr", "GET", `${life}/logs?stderr=1`);
  await ask("logs stdout 1.41", "GET", "/v1.41/containers/berth-oracle-life/logs?stdout=1");
  await ask("logs tail none", "GET", `${life}/logs?stdout=1&tail=0`);
  await ask("logs bad since", "GET", `${life}/logs?stdout=1&since=yesterday`);
  await ask("kill exited", "POST", `${life}/kill`);
  await ask("stop exited", "POST", `${life}/stop`);
  await ask("resize exited", "POST", `${life}/resize?h=10&w=10`);
  await ask("wait bad condition", "POST", `${life}/wait?condition=never`);
  await ask("remove exited", "DELETE", life);
  await ask("remove again", "DELETE", life);
}

async function playStates(ask: Ask): Promise<void> {
  const running = "/v1.51/containers/berth-oracle-running";
  await ask("create sleeper", "POST", "/v1.51/containers/create?name=berth-oracle-running", {
    Image: image,
    Cmd: ["sleep", "1000"],
  });
  await ask("start sleeper", "POST", `${running}/start`);
  await ask("start twice", "POST", `${running}/start`);
  await ask("inspect running", "GET", `${running}/json`);
  await ask("remove running", "DELETE", running);
  await ask("kill bad signal", "POST", `${running}/kill?signal=SIGNONE`);
  await ask("image remove used", "DELETE", `/v1.51/images/${image}`);
  await ask("stop at once", "POST", `${running}/stop?t=0`);
  await ask("inspect killed", "GET", `${running}/json`);
  await ask("remove killed", "DELETE", running);
  for (const [name, command] of [["missing", "no-such-command"], ["directory", "/tmp"]] as const) {
    const path = `/v1.51/containers/berth-oracle-${name}`;
    await ask(`create ${name}`, "POST", `/v1.51/containers/create?name=berth-oracle-${name}`, {
      Image: image,
      Cmd: [command],
    });
    await ask(`start ${name}`, "POST", `${path}/start`);
    await ask(`inspect ${name}`, "GET", `${path}/json`);
    await ask(`remove ${name}`, "DELETE", path);
  }
}

async function playTidy(ask: Ask): Promise<void> {
  await ask("image remove", "DELETE", `/v1.51/images/${image}`);
}

/** The ID of the image that {@link play} loads. */
export const playedImageId = async () => (await buildImage({ tags: [image] })).id;

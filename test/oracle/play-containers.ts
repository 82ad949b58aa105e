/** Containers: what cannot be made, a life from create to remove, and what each state refuses. */
import type { Ask } from "./ask.ts";
import { playedImage as image } from "./play-images.ts";

const plain = { "Content-Type": "application/json" };

export async function playContainers(ask: Ask): Promise<void> {
  await playCreateErrors(ask);
  await playLife(ask);
  await playStates(ask);
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

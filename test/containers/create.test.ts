import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { ApiError } from "../../core/support/errors.ts";
import { createFields, maskedPaths } from "../../plugins/containers/create/create-fields.ts";
import { assert, rejection, test } from "../support/test.ts";
import { engineDown, fakeImage } from "./fake-engine.ts";
import { temporaryDir, TestJob } from "./job.ts";

type Inspected = {
  Id: string;
  Name: string;
  Config: Record<string, unknown>;
  HostConfig: Record<string, unknown>;
};

/** What `docker create` 28 and 20.10 send with every container. */
const cliDefaults = {
  Hostname: "",
  Domainname: "",
  User: "",
  AttachStdin: false,
  AttachStdout: true,
  AttachStderr: true,
  Tty: false,
  OpenStdin: false,
  StdinOnce: false,
  Env: null,
  Cmd: ["stay"],
  Image: "busybox",
  Volumes: {},
  WorkingDir: "",
  Entrypoint: null,
  OnBuild: null,
  Labels: {},
  HostConfig: {
    Binds: null,
    ContainerIDFile: "",
    LogConfig: { Type: "", Config: {} },
    NetworkMode: "default",
    PortBindings: {},
    RestartPolicy: { Name: "no", MaximumRetryCount: 0 },
    AutoRemove: false,
    VolumeDriver: "",
    VolumesFrom: null,
    ConsoleSize: [0, 0],
    CapAdd: null,
    CapDrop: null,
    CgroupnsMode: "",
    Dns: [],
    IpcMode: "",
    Privileged: false,
    SecurityOpt: null,
    ShmSize: 0,
    Memory: 0,
    KernelMemory: 0,
    MemorySwappiness: -1,
    OomKillDisable: false,
    PidsLimit: 0,
    Ulimits: null,
    MaskedPaths: null,
    ReadonlyPaths: null,
  },
  NetworkingConfig: {
    EndpointsConfig: {
      default: {
        IPAMConfig: null,
        Links: null,
        Aliases: null,
        MacAddress: "",
        DriverOpts: null,
        GwPriority: 0,
      },
    },
  },
};

const failure = async (job: TestJob, body: unknown, query = "") =>
  await rejection(job.call("POST", `/containers/create?${query}`, { body })) as ApiError;

test("accepts what the docker command sends without flags", async (undo) => {
  const job = await TestJob.open(undo);
  const { Id } = await job.json<Inspected>("POST", "/containers/create", { body: cliDefaults });
  const inspected = await job.json<Inspected>("GET", `/containers/${Id}/json`);
  assert.match(Id, /^[0-9a-f]{64}$/);
  assert.match(inspected.Name, /^\/[a-z]+_[a-z]+/);
  assert.is(inspected.Config.Hostname, Id.slice(0, 12));
  assert.is(inspected.HostConfig.NetworkMode, "bridge");
});

test("refuses each field it cannot honour, by name", async (undo) => {
  const job = await TestJob.open(undo);
  const base = { Image: "busybox", Cmd: ["stay"] };
  const host: [object, number, string][] = [
    [{ Memory: 1000000 }, 400, "HostConfig.Memory "],
    [{ Binds: ["/a:/b"] }, 400, "HostConfig.Binds "],
    [{ PortBindings: { "80/tcp": [] } }, 400, "HostConfig.PortBindings "],
    [{ RestartPolicy: { Name: "always" } }, 400, "HostConfig.RestartPolicy.Name "],
    [{ LogConfig: { Type: "syslog" } }, 400, "HostConfig.LogConfig.Type "],
    [{ LogConfig: { Config: { "max-size": "1m" } } }, 400, "HostConfig.LogConfig.Config "],
    [{ FieldOfTheFuture: 1 }, 400, "HostConfig.FieldOfTheFuture "],
    [{ NetworkMode: "mine" }, 400, 'HostConfig.NetworkMode is not supported by this engine yet: "mine"'],
    [{ NetworkMode: "container:x" }, 400, "HostConfig.NetworkMode"],
    [{ NetworkMode: "host" }, 403, 'HostConfig.NetworkMode "host" is refused by policy'],
    [{ Privileged: true }, 403, "HostConfig.Privileged true is refused by policy (policy.privileged)"],
    [{ CapAdd: ["SYS_ADMIN"] }, 403, 'HostConfig.CapAdd ["SYS_ADMIN"] is refused'],
    [{ PidMode: "host" }, 403, "HostConfig.PidMode"],
    [{ MaskedPaths: [] }, 403, "HostConfig.MaskedPaths []"],
    [{ ConsoleSize: "big" }, 400, "HostConfig.ConsoleSize must be"],
  ];
  for (const [HostConfig, status, words] of host) {
    const error = await failure(job, { ...base, HostConfig });
    assert.is(error.status, status, JSON.stringify(HostConfig));
    assert.ok(error.message.includes(words), error.message);
  }
  const top: [object, string][] = [
    [{ Volumes: { "/data": {} } }, "Volumes "],
    [{ Healthcheck: { Test: ["CMD", "true"] } }, "Healthcheck.Test "],
    [{ MacAddress: "02:00:00:00:00:01" }, "MacAddress "],
    [
      { NetworkingConfig: { EndpointsConfig: { bridge: { Aliases: ["x"] } } } },
      "EndpointsConfig.bridge.Aliases ",
    ],
    [{ NetworkingConfig: { EndpointsConfig: { mine: {} } } }, "EndpointsConfig.mine "],
    [{ Cmd: 5 }, "Cmd must be a list of strings"],
    [{ Labels: { a: 1 } }, "Labels must be an object of strings"],
  ];
  for (const [fields, words] of top) {
    const error = await failure(job, { ...base, ...fields });
    assert.is(error.status, 400);
    assert.ok(error.message.includes(words), error.message);
  }
});

test("accepts values that ask for nothing, and empty fields nobody knows", async (undo) => {
  const job = await TestJob.open(undo);
  await job.create("c1", ["stay"], {
    FieldOfTheFuture: [],
    Healthcheck: { Test: ["NONE"] },
    HostConfig: {
      Another: {},
      MemorySwap: -1,
      PidsLimit: -1,
      ShmSize: 67108864,
      MaskedPaths: maskedPaths,
      Runtime: "runc",
      LogConfig: { Type: "local" },
    },
  });
});

test("refuses what Docker refuses, in its words", async (undo) => {
  const job = await TestJob.open(undo);
  const base = { Image: "busybox", Cmd: ["stay"] };
  const manyPorts = Object.fromEntries([1, 2, 3, 4].map((from) => [`${from}-65535`, {}]));
  const cases: [unknown, string, number, string][] = [
    [undefined, "", 400, "invalid JSON: got EOF while reading request body"],
    [{}, "", 400, "config cannot be empty in order to create a container"],
    [null, "", 400, "config cannot be empty in order to create a container"],
    [base, "name=-x", 400, "Invalid container name (-x), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"],
    [base, "name=a", 400, "Invalid container name (a), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed"],
    [{ ...base, Image: "none" }, "", 404, "No such image: none:latest"],
    [{ ...base, StopSignal: "FOO" }, "", 400, "invalid signal: FOO"],
    [{ ...base, Env: ["=x"] }, "", 400, "invalid environment variable: =x"],
    [
      { ...base, WorkingDir: "foo" },
      "",
      400,
      "the working directory 'foo' is invalid, it needs to be an absolute path",
    ],
    [
      base,
      "platform=linux/arm64",
      404,
      "image with reference busybox was found but its platform (linux/amd64) does not match the specified " +
      "platform (linux/arm64)",
    ],
    [{ ...base, ExposedPorts: manyPorts }, "", 400, "more than 196605 ports are exposed; expose fewer"],
    [
      { ...base, NetworkingConfig: { EndpointsConfig: ["bridge"] } },
      "",
      400,
      "invalid JSON: NetworkingConfig.EndpointsConfig must be an object",
    ],
    [base, "platform=a/b/c/d", 400, '"a/b/c/d": cannot parse platform specifier: invalid argument'],
  ];
  for (const [body, query, status, message] of cases) {
    const error = await failure(job, body, query);
    assert.equal([error.status, error.message], [status, message]);
  }
  job.images.byName.set("bare", fakeImage({ Cmd: null }));
  assert.is((await failure(job, { Image: "bare", Tty: true })).message, "no command specified");
});

test("refuses a name that is taken, and gives it back when a create fails", async (undo) => {
  const job = await TestJob.open(undo);
  const id = await job.create("taken", ["stay"]);
  const error = await failure(job, { Image: "busybox" }, "name=taken");
  assert.is(error.status, 409);
  assert.is(
    error.message,
    `Conflict. The container name "/taken" is already in use by container "${id}". ` +
      "You have to remove (or rename) that container to be able to reuse that name.",
  );
  job.engine.createError = engineDown();
  assert.is((await failure(job, { Image: "busybox" }, "name=again")).status, 503);
  job.engine.createError = undefined;
  await job.create("again", ["stay"]);
});

test("lays the request over the image's configuration as Docker does", async (undo) => {
  const job = await TestJob.open(undo);
  const image = {
    Env: ["PATH=/bin", "A=image", "B=image"],
    Entrypoint: ["print"],
    Cmd: ["from image"],
    WorkingDir: "/srv",
    User: "www",
    Labels: { a: "image", b: "image" },
    ExposedPorts: { "80/tcp": {} },
    StopSignal: "SIGQUIT",
  };
  job.images.byName.set("app", fakeImage(image));
  const config = async (more: object) => {
    const id = await job.create("", [], { Image: "app", Cmd: null, ...more });
    return {
      spec: job.engine.spec(id),
      shown: (await job.json<Inspected>("GET", `/containers/${id}/json`)).Config,
    };
  };
  const plain = await config({});
  assert.equal(plain.spec.args, ["print", "from image"]);
  assert.equal([plain.spec.workingDir, plain.spec.user, plain.shown.StopSignal], ["/srv", "www", "SIGQUIT"]);
  const command = await config({ Cmd: ["mine"], Env: ["A=mine", "C=mine", "B"], Labels: { b: "mine" } });
  assert.equal(command.spec.args, ["print", "mine"]);
  assert.equal(command.shown.Env, ["A=mine", "C=mine", "B", "PATH=/bin"]);
  assert.equal(command.spec.env, ["PATH=/bin", `HOSTNAME=${command.spec.hostname}`, "A=mine", "C=mine"]);
  assert.equal(command.shown.Labels, { a: "image", b: "mine" });
  assert.equal((await config({ Entrypoint: ["copy"] })).spec.args, ["copy"]);
  assert.equal((await config({ Entrypoint: [""], Cmd: ["stay"] })).spec.args, ["stay"]);
  assert.equal((await config({ Entrypoint: "copy", Tty: true })).spec.env.at(-1), "B=image");
  assert.equal((await config({ ExposedPorts: { "81": {}, "90-91/udp": {} } })).shown.ExposedPorts, {
    "80/tcp": {},
    "81/tcp": {},
    "90/udp": {},
    "91/udp": {},
  });
});

test("is quick with a huge environment, and with an image that exposes more ports than there are", async (undo) => {
  const job = await TestJob.open(undo);
  const start = performance.now();
  await job.create("big", ["stay"], { Env: Array.from({ length: 100_000 }, (_, at) => `V${at}=`) });
  assert.ok(performance.now() - start < 2_000);
  job.images.byName.set("wide", fakeImage({ ExposedPorts: { "1-99999999999/tcp": {} } }));
  assert.match((await failure(job, { Image: "wide", Cmd: ["stay"] })).message, "ports are exposed");
});

test("warns of what an image wants and does not get", async (undo) => {
  const job = await TestJob.open(undo);
  job.images.byName.set(
    "db",
    fakeImage({ Volumes: { "/var/lib/db": {} }, Healthcheck: { Test: ["CMD", "x"] } }),
  );
  const { Warnings } = await job.json<{ Warnings: string[] }>("POST", "/containers/create", {
    body: { Image: "db" },
  });
  assert.is(Warnings.length, 2);
  assert.match(Warnings[0]!, "VOLUME /var/lib/db");
});

test("tells the images area who uses an image", async (undo) => {
  const job = await TestJob.open(undo);
  const id = await job.create("c1", ["stay"]);
  assert.equal(job.images.users?.(fakeImage().id), [{ id, running: false }]);
  await job.call("POST", "/containers/c1/start");
  assert.equal(job.images.users?.(fakeImage().id), [{ id, running: true }]);
  await job.call("DELETE", "/containers/c1?force=1");
  assert.equal(job.images.users?.(fakeImage().id), []);
});

test("keeps one record a container, whole at every moment", async (undo) => {
  const dir = await temporaryDir(undo);
  const job = await TestJob.open(undo, dir);
  const id = await job.create("c1", ["stay"]);
  const place = join(dir, "containers", id);
  const record = async () => JSON.parse(await readFile(join(place, "container.json"), "utf8"));
  assert.is((await record()).state.status, "created");
  await job.call("POST", "/containers/c1/start");
  assert.is((await record()).state.status, "running");
  assert.equal((await readdir(place)).filter((file) => file.endsWith(".tmp")), []);
  await job.call("DELETE", "/containers/c1?force=1");
  await rejection(record());
});

test("has a rule for every field it names, each of one kind", () => {
  const kinds = ["honoured", "neutral", "policy", "fields", "each"];
  for (const [name, rule] of Object.entries(createFields)) {
    assert.ok(kinds.some((kind) => kind in rule), name);
  }
});

/**
 * What a job has no right to does not exist for it: a private image that another job pulled, asked for through every
 * endpoint that takes an image and by every kind of reference, is answered in the same words as one that was made up.
 */
import { createHash, randomBytes } from "node:crypto";
import { pack } from "tar-stream";
import { buildImage, type BuiltImage, digestOf } from "../support/busybox-image.ts";
import type { OpenJob } from "../support/daemon.ts";
import { type Answer, call, must } from "../support/engine-api.ts";
import { registryPassword, registryUser, startRegistry } from "../support/registry.ts";
import { assert, test } from "../support/test.ts";
import { wire } from "../support/wire.ts";
import type { Undo } from "../../core/support/undo.ts";

const daemon = wire();

/** What a snooper may know of an image, or make up. */
interface Known {
  readonly repository: string;
  readonly manifest: string;
  readonly image: BuiltImage;
}

interface Pair {
  readonly real: string;
  readonly madeUp: string;
}

const filters = (value: object) => `filters=${encodeURIComponent(JSON.stringify(value))}`;
const inPath = (name: string) => name.split("/").map(encodeURIComponent).join("/");
const query = encodeURIComponent;

/** Endpoints that look among the job's images: each is a request with a reference in it. */
const lookups: Readonly<Record<string, (job: OpenJob, reference: string) => Promise<Answer>>> = {
  inspect: ({ socketPath }, name) => call(socketPath, "GET", `/images/${inPath(name)}/json`),
  history: ({ socketPath }, name) => call(socketPath, "GET", `/images/${inPath(name)}/history`),
  save: ({ socketPath }, name) => call(socketPath, "GET", `/images/${inPath(name)}/get`),
  "save several": ({ socketPath }, name) => call(socketPath, "GET", `/images/get?names=${query(name)}`),
  tag: ({ socketPath }, name) => call(socketPath, "POST", `/images/${inPath(name)}/tag?repo=mine&tag=1`),
  remove: ({ socketPath }, name) => call(socketPath, "DELETE", `/images/${inPath(name)}?force=1`),
  push: ({ socketPath }, name) => call(socketPath, "POST", `/images/${inPath(name)}/push`),
  create: ({ socketPath }, Image) =>
    call(socketPath, "POST", "/containers/create", { body: { Image, Cmd: ["true"] } }),
  before: ({ socketPath }, name) => call(socketPath, "GET", `/images/json?${filters({ before: [name] })}`),
  since: ({ socketPath }, name) => call(socketPath, "GET", `/images/json?${filters({ since: [name] })}`),
  reference: ({ socketPath }, name) =>
    call(socketPath, "GET", `/images/json?all=1&${filters({ reference: [name] })}`),
  ancestor: ({ socketPath }, name) =>
    call(socketPath, "GET", `/containers/json?all=1&${filters({ ancestor: [name] })}`),
};

/** Endpoints that ask the registry. */
const remote: typeof lookups = {
  pull: ({ socketPath }, name) => call(socketPath, "POST", `/images/create?fromImage=${query(name)}`),
  "pull a digest": ({ socketPath }, name) => {
    const [repository = "", digest = "1"] = name.split("@");
    return call(socketPath, "POST", `/images/create?fromImage=${query(repository)}&tag=${query(digest)}`);
  },
  distribution: ({ socketPath }, name) => call(socketPath, "GET", `/distribution/${inPath(name)}/json`),
};

/** References by name, by digest, and by whole IDs. */
function wholeReferences(real: Known, madeUp: Known): Pair[] {
  const of = ({ repository, manifest, image }: Known): string[] => [
    repository,
    `${repository}:1`,
    `${repository}@${manifest}`,
    `${repository}:1@${manifest}`,
    ...[manifest, image.id, ...image.layers.map(digestOf)].flatMap((digest) => [
      digest,
      digest.slice("sha256:".length),
      `${repository}@${digest}`,
    ]),
  ];
  const other = of(madeUp);
  return of(real).map((reference, at) => ({ real: reference, madeUp: other[at]! }));
}

/** Starts of the image's ID, of every length, plain and with the algorithm. */
function prefixes({ image: { id: real } }: Known, { image: { id: madeUp } }: Known): Pair[] {
  const lengths = Array.from({ length: 63 }, (_, at) => at + 1);
  return lengths.flatMap((length) => [
    { real: real.slice(0, 7 + length), madeUp: madeUp.slice(0, 7 + length) },
    { real: real.slice(7, 7 + length), madeUp: madeUp.slice(7, 7 + length) },
  ]);
}

async function stage(undo: Undo) {
  const registry = await startRegistry(undo, { auth: true });
  const [owner, snooper] = [await daemon.job(undo, { image: null }), await daemon.job(undo, { image: null })];
  const { docker } = owner;
  docker.keepCredentials(registry.host, registryUser, registryPassword);
  const image = await secretImage();
  const manifest = await registry.push(image, "private/app", "1");
  const repository = `${registry.host}/private/app`;
  await docker.ok(["pull", `${repository}:1`]);
  const other = await secretImage();
  const known: Known = { repository, manifest, image: withoutBase(image) };
  const madeUp: Known = {
    repository: `${registry.host}/private/ape`,
    manifest: digestOf(randomBytes(32)),
    image: withoutBase(other),
  };
  return { owner, snooper, docker, real: known, madeUp, image, other };
}

/** The lowest layer is the host's busybox in every test's images: it is no secret. */
const withoutBase = (image: BuiltImage): BuiltImage => ({ ...image, layers: image.layers.slice(1) });

/** An image that nobody else has. Its ID begins with a digit: so does no word in an answer. */
async function secretImage(): Promise<BuiltImage> {
  for (;;) {
    const content = randomBytes(32).toString("hex");
    const image = await buildImage({ files: { "/secret": { content } } });
    if (/^sha256:\d/.test(image.id)) return image;
  }
}

/** The answer without what the snooper said himself. */
function withoutReference({ status, text }: Answer, known: Known, reference: string): string {
  const { repository, manifest, image: { id, layers } } = known;
  const path = repository.slice(repository.indexOf("/") + 1);
  const said = [reference, repository, path, manifest, id, ...layers.map(digestOf)];
  const words = said.flatMap((word) => [word, word.replace("sha256:", "")]);
  const left = words.reduce(
    (so, word) => so.replace(new RegExp(`(?<!\\w)${word}(?!\\w)`, "g"), "<said>"),
    text,
  );
  return `${status} ${left}`;
}

test("tells another job nothing of a private image, whatever it asks and by whatever reference", async (undo) => {
  const { owner, snooper, docker, real, madeUp } = await stage(undo);
  const whole = wholeReferences(real, madeUp);
  const asked: [typeof lookups, Pair[]][] = [[lookups, [...whole, ...prefixes(real, madeUp)]], [
    remote,
    whole,
  ]];
  for (const [endpoints, pairs] of asked) {
    for (const [endpoint, ask] of Object.entries(endpoints)) {
      for (const pair of pairs) {
        const answer = await ask(snooper, pair.real);
        const answered = withoutReference(answer, real, pair.real);
        const expected = withoutReference(await ask(snooper, pair.madeUp), madeUp, pair.madeUp);
        assert.is(answered, expected, `${endpoint} ${pair.real}`);
        const nothing = ["reference", "ancestor"].includes(endpoint) && answer.text.trim() === "[]";
        const refused = answer.status >= 400 || answer.text.includes('"errorDetail"');
        assert.ok(refused || nothing, `${endpoint} ${pair.real}: ${answered}`);
      }
    }
  }
  await must(200, snooper.socketPath, "POST", `/images/prune?${filters({ dangling: ["false"] })}`);
  assert.equal((await call(snooper.socketPath, "GET", "/images/json?all=1&shared-size=1")).json, []);
  // All those words mean the image to whom it belongs, and it came to no harm.
  for (const reference of [`${real.repository}:1`, `${real.repository}@${real.manifest}`, real.image.id]) {
    assert.is((await lookups.inspect!(owner, reference)).status, 200, reference);
  }
  for (const { real: prefix } of prefixes(real, madeUp).filter(({ real }) => real.length > 20)) {
    assert.is((await lookups.inspect!(owner, prefix)).status, 200, prefix);
  }
  assert.match(await docker.ok(["run", "--rm", `${real.repository}:1`, "cat", "/secret"]), /^[0-9a-f]{64}$/);
});

test("gives nobody a private layer for naming it in an archive", async (undo) => {
  const { snooper, image, other } = await stage(undo);
  for (const archive of [dockerArchive, ociArchive]) {
    const answers: string[] = [];
    for (const named of [image, other]) {
      const { status, text } = await call(snooper.socketPath, "POST", "/images/load?quiet=1", {
        body: await archive(named),
        headers: { "Content-Type": "application/x-tar" },
      });
      assert.match(text, /"message"/, `${status} ${text}`);
      assert.not.match(text, /Loaded image/);
      answers.push(`${status} ${text.replace(/[0-9a-f]{64}/g, "<digest>")}`);
    }
    assert.is(answers[0], answers[1]);
  }
  assert.equal((await call(snooper.socketPath, "GET", "/images/json?all=1")).json, []);
});

/** As `docker save` wrote it, without the layers. */
function dockerArchive({ config, layers }: BuiltImage): Promise<Buffer> {
  const names = layers.map((layer) => `${digestOf(layer).slice(7)}/layer.tar`);
  const manifest = [{ Config: "config.json", RepoTags: ["stolen:1"], Layers: names }];
  return tarOf({ "config.json": config, "manifest.json": Buffer.from(JSON.stringify(manifest)) });
}

/** An OCI layout without the layers. */
function ociArchive({ config, layers }: BuiltImage): Promise<Buffer> {
  const describe = (mediaType: string, bytes: Buffer) => ({
    mediaType,
    digest: digestOf(bytes),
    size: bytes.length,
  });
  const oci = "application/vnd.oci.image";
  const manifest = Buffer.from(JSON.stringify({
    schemaVersion: 2,
    mediaType: `${oci}.manifest.v1+json`,
    config: describe(`${oci}.config.v1+json`, config),
    layers: layers.map((layer) => describe(`${oci}.layer.v1.tar`, layer)),
  }));
  const index = { schemaVersion: 2, manifests: [describe(`${oci}.manifest.v1+json`, manifest)] };
  return tarOf({
    "oci-layout": Buffer.from('{"imageLayoutVersion":"1.0.0"}'),
    "index.json": Buffer.from(JSON.stringify(index)),
    [blobPath(config)]: config,
    [blobPath(manifest)]: manifest,
  });
}

const blobPath = (bytes: Buffer) => `blobs/sha256/${createHash("sha256").update(bytes).digest("hex")}`;

async function tarOf(files: Readonly<Record<string, Buffer>>): Promise<Buffer> {
  const tar = pack();
  for (const [name, content] of Object.entries(files)) tar.entry({ name }, content);
  tar.finalize();
  const chunks: Buffer[] = [];
  for await (const chunk of tar) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

daemon.leavesNothing();

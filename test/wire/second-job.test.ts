/** What a second job's pull costs: one request that the registry authorises, and nothing else. */
import { gzippedLayer, sha256 } from "../contract/image-store-fixtures.ts";
import { buildImage } from "../support/busybox-image.ts";
import { call } from "../support/engine-api.ts";
import { type FakeRegistry, startFakeRegistry } from "../support/fake-registry.ts";
import { assert, test } from "../support/test.ts";
import { wire } from "../support/wire.ts";

const daemon = wire();
const me = { "X-Registry-Auth": btoa(JSON.stringify({ username: "me", password: "mine" })) };
const meOnTheWire = `Basic ${btoa("me:mine")}`;

/** An image that only who is logged in gets, as `app:1`, and behind an index as `app:multi`. */
async function privateImage(registry: FakeRegistry): Promise<void> {
  const files = { "/mine": { content: `${registry.host} ${process.pid}` } };
  const layers = (await buildImage({ files })).layers.map((layer) => gzippedLayer(layer));
  const digest = registry.put("app:1", layers);
  const { mediaType, bytes } = registry.manifests.get("app:1")!;
  const architecture = process.arch === "arm64" ? "arm64" : "amd64";
  const ofAnother = sha256(Buffer.from("of another machine"));
  const index = Buffer.from(JSON.stringify({
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.index.v1+json",
    manifests: [
      { mediaType, digest: ofAnother, size: 500, platform: { os: "linux", architecture: "s390x" } },
      { mediaType, digest, size: bytes.length, platform: { os: "linux", architecture } },
    ],
  }));
  registry.manifests.set("app:multi", { mediaType: "application/vnd.oci.image.index.v1+json", bytes: index });
  registry.answer = (request, response) => {
    if (request.headers.authorization === meOnTheWire) return false;
    response.writeHead(401, { "www-authenticate": "Basic realm=x" }).end();
  };
}

for (const tag of ["1", "multi"]) {
  test(`pulls app:${tag} with one authorised request when another job has it, and runs it`, async (undo) => {
    const registry = await startFakeRegistry(undo);
    await privateImage(registry);
    const [one, two] = [await daemon.job(undo, { image: null }), await daemon.job(undo, { image: null })];
    const path = `/images/create?fromImage=${registry.host}/app&tag=${tag}`;
    assert.is((await call(one.socketPath, "POST", path, { headers: me })).status, 200);

    registry.requests.length = 0;
    const { text } = await call(two.socketPath, "POST", path, { headers: me });
    assert.match(text, `Status: Downloaded newer image for ${registry.host}/app:${tag}`);
    assert.not.match(text, "Downloading");
    const authorised = registry.requests.filter(({ headers }) => headers.authorization === meOnTheWire);
    assert.equal(authorised.map(({ url }) => url), [`/v2/app/manifests/${tag}`]);
    assert.ok(registry.requests.length <= 2, "more than the request and its challenge");
    const image = `${registry.host}/app:${tag}`;
    assert.match(await two.docker.ok(["run", "--rm", image, "cat", "/mine"]), registry.host);
  });
}

test("asks the registry with the second job's own credentials, and takes its no for an answer", async (undo) => {
  const registry = await startFakeRegistry(undo);
  await privateImage(registry);
  const [one, two] = [await daemon.job(undo, { image: null }), await daemon.job(undo, { image: null })];
  const path = `/images/create?fromImage=${registry.host}/app&tag=1`;
  assert.is((await call(one.socketPath, "POST", path, { headers: me })).status, 200);
  const other = { "X-Registry-Auth": btoa(JSON.stringify({ username: "me", password: "guessed" })) };
  for (const headers of [{}, other]) {
    assert.ok((await call(two.socketPath, "POST", path, { headers })).status >= 400);
  }
  assert.is(await two.docker.ok(["images", "-q"]), "");
});

daemon.leavesNothing();

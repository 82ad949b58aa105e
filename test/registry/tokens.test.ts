import type { IncomingMessage } from "node:http";
import type { ApiError } from "../../core/support/errors.ts";
import type { Undo } from "../../core/support/undo.ts";
import type { RegistryCredentials } from "../../plugins/images/backend.ts";
import { assert, rejection, test } from "../support/test.ts";
import { client, never, nothingKnown, whole } from "./client.ts";
import { type Handle, serve } from "../support/http-server.ts";
import { layer, manifest, platform, registryOf } from "./manifests.ts";

const image = manifest([layer("first"), layer("second")]);

/** What a token server was asked: method, query or form, user name and password. */
interface Asked {
  readonly method: string;
  readonly fields: Record<string, string>;
  readonly user: string | undefined;
}

type TokenServer = (asked: Asked, count: number) => { status?: number; body?: unknown };

/** A registry that wants the newest token of its own token server. */
async function guarded(undo: Undo, tokens: TokenServer, isGood = (token: string) => token !== "") {
  const asked: Asked[] = [];
  const answerToken = async (request: IncomingMessage) => {
    const parts: Buffer[] = [];
    for await (const chunk of request) parts.push(chunk as Buffer);
    const query = request.url?.split("?")[1] ?? "";
    const fields = Object.fromEntries(new URLSearchParams(query || Buffer.concat(parts).toString()));
    const basic = /^Basic (.*)/.exec(request.headers.authorization ?? "")?.[1];
    const user = basic && Buffer.from(basic, "base64").toString();
    asked.push({ method: request.method ?? "", fields, user });
    return tokens(asked.at(-1)!, asked.length);
  };
  const handle: Handle = async (request, response) => {
    if (request.url?.startsWith("/token")) {
      const { status = 200, body = {} } = await answerToken(request);
      return void response.writeHead(status).end(typeof body === "string" ? body : JSON.stringify(body));
    }
    const token = /^Bearer (.*)/.exec(request.headers.authorization ?? "")?.[1] ?? "";
    if (isGood(token)) {
      if (request.url === "/v2/") return void response.end("{}");
      if (request.url?.includes("/blobs/")) return void response.end("first!".slice(0, 5));
      return registryOf(image)(request, response);
    }
    const challenge = `Bearer realm="http://${request.headers.host}/token",service="reg"`;
    response.writeHead(401, { "www-authenticate": challenge }).end();
  };
  return { registry: await serve(undo, (request, response) => void handle(request, response)), asked };
}

const resolve = (undo: Undo, registry: string, credentials?: RegistryCredentials) =>
  client(undo).resolve({ registry, repository: "app" }, platform, credentials, never, nothingKnown);

test("asks for a token as nobody when the job gives no credentials", async (undo) => {
  const { registry, asked } = await guarded(undo, () => ({ body: { token: "t" } }));
  await resolve(undo, registry);
  assert.equal(asked, [
    { method: "GET", fields: { service: "reg", scope: "repository:app:pull" }, user: undefined },
  ]);
});

test("uses one token for all requests of a pull", async (undo) => {
  const { registry, asked } = await guarded(undo, () => ({ body: { token: "t", expires_in: 300 } }));
  const { source } = await resolve(undo, registry);
  for (const _ of [1, 2, 3]) await whole(source, source.layers[0]!);
  assert.is(asked.length, 1);
});

test("gets a new token when the registry takes the old one no more", async (undo) => {
  let good = "t1";
  const { registry, asked } = await guarded(undo, (_, count) => {
    good = `t${count}`;
    return { body: { token: good } };
  }, (token) => token === good);
  const { source } = await resolve(undo, registry, { username: "u", password: "p" });
  good = "revoked";
  assert.is((await whole(source, source.layers[0]!)).toString(), "first");
  assert.equal(asked.map(({ user }) => user), ["u:p", "u:p"]);
});

test("gets a new token before the old one ends", async (undo) => {
  const refused: number[] = [];
  let count = 0;
  const { registry, asked } = await guarded(
    undo,
    // A life that is over is taken for the usual one of a minute.
    (_, at) => ({ body: { token: `t${count = at}`, expires_in: -1 } }),
    (token) => token !== "" || (refused.push(count), false),
  );
  const { source } = await resolve(undo, registry);
  const now = Date.now;
  undo.add("the clock", () => void (Date.now = now));
  Date.now = () => now() + 61_000;
  await whole(source, source.layers[0]!);
  assert.equal([asked.length, refused], [2, [0]]);
});

test("shows an identity token by OAuth, and as a password where that is not known", async (undo) => {
  const fields = { service: "reg", scope: "repository:app:pull" };
  const oauth = { grant_type: "refresh_token", refresh_token: "identity", client_id: "berth", ...fields };
  for (const status of [200, 404, 405]) {
    const { registry, asked } = await guarded(
      undo,
      ({ method }) => method === "POST" ? { status, body: { access_token: "t" } } : { body: { token: "t" } },
    );
    const { source } = await resolve(undo, registry, { identitytoken: "identity" });
    assert.is(source.anonymous, false);
    assert.equal(asked[0], { method: "POST", fields: oauth, user: undefined });
    assert.is(asked.length, status === 200 ? 1 : 2);
    if (status === 200) continue;
    assert.equal(asked[1], {
      method: "GET",
      fields: { ...fields, account: "<token>" },
      user: "<token>:identity",
    });
  }
});

test("shows a registry token as it is", async (undo) => {
  const { registry, asked } = await guarded(undo, () => ({}), (token) => token === "mine");
  const { source } = await resolve(undo, registry, { registrytoken: "mine" });
  assert.equal([asked.length, source.anonymous], [0, false]);
});

test("asks for an identity token at a login, and tells it", async (undo) => {
  const { registry, asked } = await guarded(
    undo,
    () => ({ body: { token: "t", refresh_token: "identity" } }),
  );
  const accepted = await client(undo).login(registry, { username: "u", password: "p" }, never);
  assert.equal(accepted, { identityToken: "identity" });
  assert.equal(asked, [{
    method: "GET",
    fields: { service: "reg", offline_token: "true", client_id: "berth", account: "u" },
    user: "u:p",
  }]);
  const again = await client(undo).login(registry, { identitytoken: "identity" }, never);
  assert.equal(again, { identityToken: "identity" });
});

test("says what the token server says of a wrong password", async (undo) => {
  const errors = [{ code: "UNAUTHORIZED", message: "incorrect username or password" }];
  const { registry } = await guarded(undo, () => ({ status: 401, body: { errors } }));
  const error = await rejection(
    client(undo).login(registry, { username: "u", password: "p" }, never),
  ) as ApiError;
  assert.equal([error.kind, error.message], ["unauthorized", "unauthorized: incorrect username or password"]);
});

test("does not say over what it was shown: no password and no token is in an error", async (undo) => {
  const secret = "hunter2-secret";
  const encoded = (user: string) => Buffer.from(user).toString("base64");
  const echo = (status: number) => ({ user, fields }: Asked) => {
    const message = `${user} ${user && encoded(user)} ${fields.refresh_token}`;
    return { status, body: { errors: [{ code: "DENIED", message }] } };
  };
  for (const status of [400, 401, 403, 404]) {
    const { registry } = await guarded(undo, echo(status));
    for (const credentials of [{ username: "u", password: secret }, { identitytoken: secret }]) {
      const error = await rejection(resolve(undo, registry, credentials));
      assert.not.match(error.message, secret);
      for (const user of ["u", "<token>"]) assert.not.match(error.message, encoded(`${user}:${secret}`));
    }
  }
  // The parser of JSON quotes what it cannot read.
  const { registry } = await guarded(undo, () => ({ body: `"token ${secret}` }));
  const error = await rejection(resolve(undo, registry, { username: "u", password: secret }));
  assert.not.match(`${error.message} ${error.stack} ${error.cause}`, secret);
});

test("refuses tokens that would add lines to a request, and answers without one", async (undo) => {
  const bodies: unknown[] = [
    { token: "a\r\nx: y" },
    { token: 5 },
    { token: "" },
    {},
    [],
    null,
    "text",
    "{}{",
  ];
  for (const body of bodies) {
    const { registry } = await guarded(undo, () => ({ body }));
    const error = await rejection(resolve(undo, registry));
    assert.match(error.message, /did not include a token|not JSON/);
  }
});

test("ends when a token is never good, and when the challenge is garbage", async (undo) => {
  const { registry, asked } = await guarded(
    undo,
    (_, count) => ({ body: { token: `t${count}` } }),
    () => false,
  );
  assert.match((await rejection(resolve(undo, registry))).message, /^unauthorized/);
  assert.is(asked.length, 1);
  for (
    const header of [
      'Garbage,,,=="',
      "Bearer",
      'Bearer realm="ftp://x"',
      "=,=,=",
      `Basic${" ".repeat(9000)}x`,
    ]
  ) {
    let requests = 0;
    const host = await serve(undo, (_, response) => {
      requests++;
      response.writeHead(401, { "www-authenticate": header }).end();
    });
    const error = await rejection(resolve(undo, host)) as ApiError;
    assert.ok(["unauthorized", "invalid", "internal"].includes(error.kind), error.message);
    assert.ok(requests <= 2);
  }
});

import { catalog } from "../../core/http/catalog.ts";
import { findConflicts, RouteTable } from "../../core/http/route-table.ts";
import type { Method, Route } from "../../core/kernel/route.ts";
import { token } from "../../core/kernel/scope.ts";
import { ApiVersion, currentApiVersion } from "../../core/kernel/version.ts";
import { assert, test } from "../support/test.ts";

const handler = token<unknown>("test.handler");

function routeAt(at: string, more: Partial<Route> = {}): Route {
  const [method, path] = at.split(" ") as [Method, string];
  return { method, path, handler, call: at, kind: "json", ...more };
}

const tableOf = (routes: Route[], unserved: Record<string, string> = {}, plugin = "test") =>
  new RouteTable(routes.map((route) => ({ plugin, route })), new Map(Object.entries(unserved)));

/** What a request leads to, as text. */
function found(table: RouteTable, at: string, version: ApiVersion = currentApiVersion): string {
  const [method, path] = at.split(" ") as [string, string];
  const match = table.match(method, path, version);
  if (match.kind === "refused") return `${match.error.status} ${match.error.message}`;
  return `${match.route.path} ${JSON.stringify(match.params)}`;
}

test("chooses the most specific path whatever the order of routes", () => {
  const routes = [
    "GET /images/{name...}",
    "GET /images/{name...}/json",
    "GET /images/{id}/json",
    "GET /images/json",
    "GET /images/get",
  ].map((at) => routeAt(at));
  for (const order of [routes, [...routes].reverse()]) {
    const table = tableOf(order);
    assert.is(found(table, "GET /images/json"), "/images/json {}");
    assert.is(found(table, "GET /images/a/json"), '/images/{id}/json {"id":"a"}');
    assert.is(found(table, "GET /images/a/b/json"), '/images/{name...}/json {"name":"a/b"}');
    assert.is(found(table, "GET /images/a/b"), '/images/{name...} {"name":"a/b"}');
    assert.is(found(table, "GET /images/get"), "/images/get {}");
  }
});

test("decodes parameters, and refuses encodings that are none", () => {
  const table = tableOf([routeAt("GET /containers/{id}/json"), routeAt("GET /images/{name...}/json")]);
  assert.is(found(table, "GET /containers/%C3%A4%20b/json"), '/containers/{id}/json {"id":"ä b"}');
  assert.is(found(table, "GET /images/r%3A5000/a%2Fb/json"), '/images/{name...}/json {"name":"r:5000/a/b"}');
  assert.match(found(table, "GET /containers/%zz/json"), /^400 the path has a malformed percent-encoding/);
  assert.match(found(table, "GET /containers/%ff/json"), /^400 /);
  assert.match(found(table, "GET /containers/a%00b/json"), /^400 the path contains a NUL/);
});

test("gives no handler a parameter that is empty, . or ..", () => {
  const table = tableOf([routeAt("GET /containers/{id}/json"), routeAt("GET /images/{name...}/json")]);
  const paths = ["/containers//json", "/containers/../json", "/containers/%2e%2e/json", "/containers/./json"];
  for (
    const path of [
      ...paths,
      "/images/a/../b/json",
      "/images/a//b/json",
      "/images/..%2Fb/json",
      "/images//json",
    ]
  ) {
    assert.is(found(table, `GET ${path}`), "404 page not found");
  }
});

test("answers 404 page not found to wrong methods, trailing slashes and unknown paths, as Docker does", () => {
  const table = tableOf([routeAt("GET /info"), routeAt("GET /containers/{id}/json")]);
  for (const at of ["PUT /info", "HEAD /info", "GET /info/", "GET /nope", "GET /", "GET ", "OPTIONS *"]) {
    assert.is(found(table, at), "404 page not found");
  }
  for (
    const at of ["POST /containers/x/json", "GET /containers/x/json/", "GET /constructor", "GET /__proto__/x"]
  ) {
    assert.is(found(table, at), "404 page not found");
  }
});

test("names the plugin that is not there and where to name one", () => {
  assert.is(
    found(tableOf([]), "POST /build"),
    '501 POST /build is not supported here: a plugin "build" would serve it, and none comes with this version; ' +
      "name one from elsewhere in [plugins.build] of the config",
  );
  assert.match(found(tableOf([]), "GET /images/a/b/json"), /^501 .*plugin "images"/);
});

test("tells why a plugin does not run", () => {
  const table = tableOf([], { build: "buildah is not installed" });
  assert.is(
    found(table, "POST /build"),
    '501 POST /build is not supported now: the "build" plugin would serve it, and does not run: buildah is not installed',
  );
});

test("says that swarm and engine plugins are never served", () => {
  for (const at of ["GET /swarm", "GET /services/x", "POST /nodes/x/update", "GET /tasks", "GET /secrets"]) {
    assert.match(found(tableOf([]), at), /^501 .*swarm mode is not part of this engine/);
  }
  assert.match(found(tableOf([]), "POST /plugins/a/b/enable"), /^501 .*engine plugins/);
});

test("tells an operation that a running plugin does not serve from a plugin that does not run", () => {
  const table = tableOf([routeAt("GET /images/json")], {}, "images");
  assert.is(
    found(table, "GET /images/search"),
    '501 GET /images/search is not supported by the "images" plugin yet',
  );
});

test("keeps routes to their versions", () => {
  const table = tableOf([
    routeAt("GET /old", { until: "1.40" }),
    routeAt("GET /new", { since: "1.42" }),
    routeAt("GET /x/{id}", { until: "1.41", call: "before" }),
    routeAt("GET /x/{other}", { since: "1.42", call: "after" }),
  ]);
  const at = (text: string) => ApiVersion.parse(text) as ApiVersion;
  assert.is(found(table, "GET /old", at("1.40")), "/old {}");
  assert.is(found(table, "GET /old", at("1.41")), "404 page not found");
  assert.is(found(table, "GET /new", at("1.41")), "404 page not found");
  assert.is(found(table, "GET /new", at("9.99")), "/new {}");
  assert.is(found(table, "GET /x/1", at("1.41")), '/x/{id} {"id":"1"}');
  assert.is(found(table, "GET /x/1", at("1.42")), '/x/{other} {"other":"1"}');
});

test("finds routes that collide, and none that do not", () => {
  const conflicts = (...routes: [string, Route][]) =>
    findConflicts(routes.map(([plugin, route]) => ({ plugin, route }))).map(({ plugin }) => plugin);
  const get = (path: string, more: Partial<Route> = {}) => routeAt(`GET ${path}`, more);
  assert.equal(conflicts(["one", get("/a/{id}")], ["two", get("/a/{name}")]), ["two"]);
  assert.equal(conflicts(["one", get("/a/{id}")], ["two", get("/a/b")]), []);
  assert.equal(conflicts(["one", get("/a")], ["two", routeAt("POST /a")]), []);
  assert.equal(conflicts(["one", get("/a", { until: "1.40" })], ["two", get("/a", { since: "1.41" })]), []);
  assert.equal(conflicts(["one", get("/a", { until: "1.41" })], ["two", get("/a", { since: "1.41" })]), [
    "two",
  ]);
});

test("refuses route paths that are malformed", () => {
  for (const path of ["info", "/a//b", "/{id", "/a/{x...}/{y...}", "/a/b{c}", "/a/"]) {
    assert.throws(() => tableOf([routeAt(`GET ${path}`)]), /route path/);
  }
});

test("catalogs every operation once", () => {
  const all = catalog.map(({ method, path }) => `${method} ${path.replace(/\{\w+/g, "{")}`);
  assert.is(new Set(all).size, all.length);
  assert.ok(all.length > 100);
});

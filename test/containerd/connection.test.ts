import { Code, ConnectError } from "@connectrpc/connect";
import { type ApiError, notFound } from "../../core/support/errors.ts";
import { ContainerdConnection, underLease } from "../../plugins/containerd/connection.ts";
import {
  codeOf,
  engineError,
  isUnavailable,
  unlessMissing,
  unlessPresent,
} from "../../plugins/containerd/errors.ts";
import { assert, rejection, test } from "../support/test.ts";
import { privateContainerd } from "./store-containerd.ts";

test("makes every call in its own namespace", async (undo) => {
  const one = await privateContainerd(undo);
  const two = new ContainerdConnection({ address: one.address, namespace: "two" });
  undo.add("second connection", () => two.close());
  await one.leases.create({ id: "lease" });
  assert.equal((await two.leases.list({})).leases, []);
  assert.equal((await one.leases.list({})).leases.map(({ id }) => id), ["lease"]);
});

test("puts what a call makes under the lease it names", async (undo) => {
  const { leases, snapshots } = await privateContainerd(undo);
  await leases.create({ id: "lease" });
  await snapshots.prepare({ snapshotter: "overlayfs", key: "mine" }, underLease("lease"));
  const { resources } = await leases.listResources({ id: "lease" });
  assert.equal(resources.map(({ id, type }) => ({ id, type })), [{
    id: "mine",
    type: "snapshots/overlayfs",
  }]);
});

test("streams events, and ends the stream when its signal fires", async (undo) => {
  const { events, leases, snapshots } = await privateContainerd(undo);
  const stop = new AbortController();
  const stream = events.subscribe({ filters: [`topic=="/snapshot/prepare"`] }, { signal: stop.signal });
  const iterator = stream[Symbol.asyncIterator]();
  const first = iterator.next();
  await leases.create({ id: "lease" });
  await snapshots.prepare({ snapshotter: "overlayfs", key: "mine" }, underLease("lease"));
  assert.is((await first).value?.topic, "/snapshot/prepare");
  stop.abort(new Error("enough"));
  assert.is(codeOf(await rejection(iterator.next())), Code.Canceled);
});

test("says that nothing answers where there is no socket, with the same code as for a dead one", async () => {
  const nowhere = new ContainerdConnection({ address: "/nonexistent/containerd.sock", namespace: "berth" });
  const error = await rejection(nowhere.version.version({}));
  assert.ok(isUnavailable(error));
  nowhere.close();
});

test("tells the missing and the present from other failures", async (undo) => {
  const { leases } = await privateContainerd(undo);
  assert.is(await unlessMissing(leases.delete({ id: "none" })), undefined);
  await leases.create({ id: "lease" });
  assert.is(await unlessPresent(leases.create({ id: "lease" })), undefined);
  assert.is(codeOf(await rejection(unlessMissing(leases.create({ id: "lease" })))), Code.AlreadyExists);
});

test("translates what containerd says into errors with an answer", () => {
  const kindOf = (code: Code) =>
    (engineError(new ConnectError("words", code), "cannot do it") as ApiError).kind;
  assert.is(kindOf(Code.NotFound), "not-found");
  assert.is(kindOf(Code.FailedPrecondition), "conflict");
  assert.is(kindOf(Code.Unavailable), "unavailable");
  assert.is(kindOf(Code.Canceled), "unavailable");
  assert.is(kindOf(Code.Unknown), "internal");
  assert.match(
    engineError(new ConnectError("words", Code.Unknown), "cannot do it").message,
    "cannot do it: words",
  );
});

test("prefers the signal's reason, and an error that has an answer already", () => {
  const stop = new AbortController();
  stop.abort(new Error("client gone"));
  const failure = new ConnectError("canceled", Code.Canceled);
  assert.is(engineError(failure, "cannot do it", stop.signal).message, "client gone");
  const known = notFound("No such image: x");
  assert.is(engineError(known, "cannot do it"), known);
});

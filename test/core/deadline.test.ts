import { abortable, DeadlineExceeded, delayed, pause, within } from "../../core/support/deadline.ts";
import { assert, rejection, test } from "../support/test.ts";

const gone = new Error("gone");

test("waits no longer than told, and names what was late", async () => {
  const late = await rejection(within("the answer", 10, new Promise(() => {})));
  assert.instance(late, DeadlineExceeded);
  assert.is(late.message, "the answer did not finish within 10 ms");
});

test("work that ends in time is not late", async () => {
  assert.is(await within("the answer", 10_000, Promise.resolve(42)), 42);
});

test("an abort ends the wait with the signal's reason", async () => {
  const abort = new AbortController();
  const waiting = rejection(abortable(new Promise(() => {}), abort.signal));
  abort.abort(gone);
  assert.is(await waiting, gone);
});

test("work that fails after an abort does not end the process", async () => {
  const failing = () => Promise.reject(new Error("nobody listens"));
  assert.is(await rejection(abortable(failing(), AbortSignal.abort(gone))), gone);
  const abort = new AbortController();
  const waiting = rejection(abortable(pause(5).then(failing), abort.signal));
  abort.abort(gone);
  assert.is(await waiting, gone);
  // Unhandled rejections are reported a turn later; the process would end here.
  await pause(20);
});

test("a pause ends early when the signal fires, and never rejects", async () => {
  const abort = new AbortController();
  const paused = pause(60_000, abort.signal);
  abort.abort(gone);
  await paused;
  await pause(60_000, AbortSignal.abort(gone));
});

test("a delayed signal fires so long after the other, with its reason, unless the work is over before", async () => {
  const abort = new AbortController();
  const [late, over] = [delayed(abort.signal, 10), delayed(abort.signal, 60_000)];
  const fired = new Promise((resolve) => late.signal.addEventListener("abort", resolve));
  abort.abort(gone);
  assert.not(late.signal.aborted);
  await fired;
  assert.is(late.signal.reason, gone);
  over.release();
  late.release();
});

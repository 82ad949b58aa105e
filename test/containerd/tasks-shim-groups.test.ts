import { ShimGroups } from "../../plugins/containerd/containers/shim-groups.ts";
import { assert, test } from "../support/test.ts";

/** Whether a promise is still pending after everything that can run has run. */
async function pending(work: Promise<unknown>): Promise<boolean> {
  let settled = false;
  void work.then(() => settled = true);
  await new Promise((resolve) => setTimeout(resolve, 0));
  return !settled;
}

test("containers that come later share the first one's group", async () => {
  const groups = new ShimGroups("job");
  const first = await groups.join();
  first.created();
  const second = await groups.join();
  assert.is(second.group, first.group);
});

test("the first container of a group starts alone", async () => {
  const groups = new ShimGroups("job");
  const first = await groups.join();
  const second = groups.join();
  assert.ok(await pending(second));
  first.created();
  assert.is((await second).group, first.group);
});

test("when the first container cannot be created, the next founds another group", async () => {
  const groups = new ShimGroups("job");
  const first = await groups.join();
  const [second, third] = [groups.join(), groups.join()];
  await first.leave();
  const founder = await Promise.race([second, third]);
  assert.is.not(founder.group, first.group);
  founder.created();
  assert.is((await second).group, (await third).group);
});

test("a group whose last container goes is not used again", async () => {
  const groups = new ShimGroups("job");
  const first = await groups.join();
  first.created();
  await first.leave();
  assert.is.not((await groups.join()).group, first.group);
});

test("the last container stays until those being created are there", async () => {
  const groups = new ShimGroups("job");
  const first = await groups.join();
  first.created();
  const second = await groups.join();
  const leaving = first.leave();
  assert.ok(await pending(leaving));
  second.created();
  await leaving;
  assert.is((await groups.join()).group, second.group);
});

test("leaving twice counts once", async () => {
  const groups = new ShimGroups("job");
  const first = await groups.join();
  first.created();
  const second = await groups.join();
  second.created();
  await first.leave();
  await first.leave();
  assert.is((await groups.join()).group, second.group);
});

test("the last container stays for the next one, and no longer than that", async () => {
  const groups = new ShimGroups("job");
  const first = await groups.join();
  first.created();
  const lingering = first.linger(new AbortController().signal);
  assert.ok(await pending(lingering));
  const second = await groups.join();
  await lingering;
  assert.is(second.group, first.group);
  second.created();
  await first.leave();
});

test("a container that is not the last stays for nobody", async () => {
  const groups = new ShimGroups("job");
  const first = await groups.join();
  first.created();
  (await groups.join()).created();
  await first.linger(new AbortController().signal);
});

test("nobody stays when the job closes, or when the container itself is wanted again", async () => {
  const groups = new ShimGroups("job");
  const first = await groups.join();
  first.created();
  const wanted = new AbortController();
  const lingering = first.linger(wanted.signal);
  wanted.abort();
  await lingering;
  const closing = first.linger(new AbortController().signal);
  groups.close();
  await closing;
});

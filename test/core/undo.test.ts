import { pause } from "../../core/support/deadline.ts";
import { Undo } from "../../core/support/undo.ts";
import { assert, rejection, test } from "../support/test.ts";

test("runs steps newest first and goes on after a failure", async () => {
  const order: string[] = [];
  const undo = new Undo("whole");
  undo.add("first", () => order.push("first"));
  undo.add("second", () => {
    throw new Error("broken");
  });
  undo.add("third", () => order.push("third"));
  const error = await rejection(undo.run());
  assert.equal(order, ["third", "first"]);
  assert.is(error.message, "whole: second: broken");
});

test("goes past a step that never ends, and names it", async () => {
  const order: string[] = [];
  const undo = new Undo("whole");
  undo.add("first", () => order.push("first"));
  undo.add("stuck", () => new Promise(() => {}), 5);
  const error = await rejection(undo.run());
  assert.equal(order, ["first"]);
  assert.match(error.message, /stuck: stuck did not finish within 5 ms/);
});

test("runs once, however often it is asked", async () => {
  let runs = 0;
  const undo = new Undo("whole");
  undo.add("step", async () => {
    await pause(1);
    runs++;
  });
  await Promise.all([undo.run(), undo.run()]);
  await undo.run();
  assert.is(runs, 1);
});

test("refuses what is created while everything is being undone", async () => {
  const undo = new Undo("whole");
  await undo.run();
  assert.throws(() => undo.add("late", () => {}), /"late" was created while everything was being undone/);
});

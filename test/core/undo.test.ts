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

import type { ApiError } from "../../core/support/errors.ts";
import type { Undo } from "../../core/support/undo.ts";
import { parseReference } from "../../plugins/images/reference.ts";
import { assert, rejection, test } from "../support/test.ts";
import { bodyOf, openArea, request } from "./area.ts";
import { digestOf } from "./fake-checks.ts";
import { smallImage } from "./small-image.ts";

const never = new AbortController().signal;
const container = "c".repeat(64);

async function areaWith(undo: Undo, names: string[], users: { id: string; running: boolean }[] = []) {
  const area = await openArea(undo);
  const made = await smallImage(["below", "above"]);
  const image = await area.held.bring(made.source, names.map(parseReference), () => {}, never);
  area.table.askForUsers(() => users);
  const remove = async (name: string, force = false) =>
    bodyOf<object[]>(await area.remove.remove(request({ name, query: force ? { force: "1" } : {} })));
  const refused = async (name: string, force = false) => {
    const error = await rejection(remove(name, force)) as ApiError;
    return `${error.kind}: ${error.message}`;
  };
  const [below = "", above = ""] = image.config.rootfs.diff_ids;
  const deleted = [image.id, digestOf(`${below} ${above}`), below].map((Deleted) => ({ Deleted }));
  return { area, image, short: image.id.slice(7, 19), remove, refused, deleted };
}

test("removes the image with its last name and tells everything that went", async (undo) => {
  const byDigest = `app@${digestOf("m")}`;
  const { area, remove, deleted } = await areaWith(undo, ["app:1", byDigest]);
  assert.equal(await remove("app:1"), [{ Untagged: "app:1" }, { Untagged: byDigest }, ...deleted]);
  assert.is(area.table.list().length, 0);
  assert.is(area.store.held.size, 0);
});

test("takes one of several names away and keeps the image", async (undo) => {
  const { area, remove } = await areaWith(undo, ["app:1", "app:2", `app@${digestOf("m")}`]);
  assert.equal(await remove("app:1"), [{ Untagged: "app:1" }]);
  assert.is(area.store.held.size, 1);
});

test("wants force to remove an image with several names by ID", async (undo) => {
  const { image, short, remove, refused, deleted } = await areaWith(undo, ["app:1", "other:1"]);
  assert.is(
    await refused(image.id),
    `conflict: conflict: unable to delete ${short} (must be forced) - image is referenced in multiple repositories`,
  );
  assert.equal(await remove(image.id, true), [{ Untagged: "app:1" }, { Untagged: "other:1" }, ...deleted]);
});

test("removes an image with one name by the start of its ID", async (undo) => {
  const { short, remove, deleted } = await areaWith(undo, ["app:1"]);
  assert.equal(await remove(short), [{ Untagged: "app:1" }, ...deleted]);
});

test("keeps an image that a stopped container was made from until forced", async (undo) => {
  const { short, image, remove, refused } = await areaWith(undo, ["app:1"], [{
    id: container,
    running: false,
  }]);
  assert.is(
    await refused("app:1"),
    'conflict: conflict: unable to remove repository reference "app:1" (must force) - ' +
      `container cccccccccccc is using its referenced image ${short}`,
  );
  assert.is(
    await refused(image.id),
    `conflict: conflict: unable to delete ${short} (must be forced) - ` +
      "image is being used by stopped container cccccccccccc",
  );
  assert.equal(await remove("app:1", true), [{ Untagged: "app:1" }, { Deleted: image.id }]);
});

test("keeps an image that a running container needs whatever is forced", async (undo) => {
  const { area, short, image, remove, refused } = await areaWith(undo, ["app:1"], [{
    id: container,
    running: true,
  }]);
  assert.is(
    await refused(image.id, true),
    `conflict: conflict: unable to delete ${short} (cannot be forced) - ` +
      "image is being used by running container cccccccccccc",
  );
  assert.equal(await remove("app:1", true), [{ Untagged: "app:1" }]);
  assert.is(area.store.held.size, 1);
});

test("says that there is no such image", async (undo) => {
  const { refused } = await areaWith(undo, ["app:1"]);
  assert.is(await refused("nothing"), "not-found: No such image: nothing:latest");
});

import type { ApiError } from "../../core/support/errors.ts";
import type { ImageConfig } from "../../plugins/images/backend.ts";
import { ImageSearch } from "../../plugins/images/search.ts";
import type { Undo } from "../../core/support/undo.ts";
import { assert, test } from "../support/test.ts";
import { parseReference } from "../../plugins/images/reference.ts";
import { ApiVersion } from "../../core/kernel/version.ts";
import { bodyOf, openArea, request } from "./area.ts";
import { smallImage } from "./small-image.ts";

type Entry = { Id: string; Size: number; Tags: string[] | null };

async function areaWith(undo: Undo, history: ImageConfig["history"], names = ["app:1"]) {
  const area = await openArea(undo);
  const made = await smallImage(["below", "above"], {}, { history });
  const image = await area.store.ingest(made.source, () => {}, new AbortController().signal);
  await area.table.add(image, names.map(parseReference));
  const ask = (query: Record<string, string> = {}, version = new ApiVersion(1, 51)) =>
    bodyOf<Entry[]>(area.history.history(request({ name: image.id, query, version })));
  return { image, ask };
}

test("tells the steps newest first, each with the layer that it made", async (undo) => {
  const { image, ask } = await areaWith(undo, [
    { created: "2024-01-01T00:00:01.9Z", created_by: "ADD below" },
    { created_by: "ENV a=b", empty_layer: true, comment: "by hand" },
    { created: "2024-01-01T00:00:03Z", created_by: "ADD above" },
  ], ["zoo:1", "localhost:5000/app:1"]);
  const [below = 0, above = 0] = image.layerSizesBytes;
  assert.ok(below > 0 && above > 0);
  const step = { Comment: "", Id: "<missing>", Size: 0, Tags: null };
  assert.equal(ask(), [
    {
      ...step,
      Created: 1704067203,
      CreatedBy: "ADD above",
      Id: image.id,
      Size: above,
      Tags: ["zoo:1", "localhost:5000/app:1"],
    },
    { ...step, Comment: "by hand", Created: 0, CreatedBy: "ENV a=b" },
    { ...step, Created: 1704067201, CreatedBy: "ADD below", Size: below },
  ]);
});

test("tells no steps of an image that names none, and fewer than layers as they are", async (undo) => {
  assert.equal((await areaWith(undo, undefined)).ask(), []);
  assert.equal((await areaWith(undo, [])).ask(), []);
  const { image, ask } = await areaWith(undo, [{ created_by: "only" }], []);
  assert.equal(ask().map(({ Size, Tags }) => [Size, Tags]), [[image.layerSizesBytes[0], null]]);
});

test("refuses a history with more layers than the image has", async (undo) => {
  const { ask } = await areaWith(undo, [{}, {}, {}]);
  assert.throws(() => ask(), /^too many non-empty layers in History section$/);
});

test("tells the history for the platform asked for, or that there is none", async (undo) => {
  const { image, ask } = await areaWith(undo, [{}]);
  assert.is(ask({ platform: '{"os":"linux","architecture":"amd64"}' }).length, 1);
  assert.throws(
    () => ask({ platform: '{"os":"linux","architecture":"arm64","variant":"v8"}' }),
    (error: ApiError) =>
      error.kind === "not-found" && error.message ===
        `image with reference ${image.id} was found but its platform (linux/amd64) does not match the specified ` +
          "platform (linux/arm64/v8)",
  );
  assert.throws(() => ask({ platform: "linux/amd64" }), /^failed to parse platform: /);
  assert.throws(() => ask({ platform: '{"os":"linux"}' }), /^both OS and Architecture must be provided$/);
  assert.is(ask({ platform: "nonsense" }, new ApiVersion(1, 47)).length, 1);
});

test("says why there is no search, and what to do", () => {
  assert.throws(
    () => new ImageSearch().search(),
    (error: ApiError) =>
      error.status === 501 && /^image search is not available: .*pull it by name$/.test(error.message),
  );
});

import { ageText, bytesText, parseBytes, parseSpan } from "../../core/cli/measures.ts";
import { entry, FakeCacheAdmin } from "../control/fake-cache-admin.ts";
import { serveControl } from "../control/fakes.ts";
import { assert, test } from "../support/test.ts";
import { berth } from "./berth.ts";

const digest = `sha256:${"a".repeat(64)}`;

test("lists images with their size, age and holders", async (undo) => {
  const cache = new FakeCacheAdmin();
  const soon = new Date(Date.now() + 60_000);
  cache.entries = [
    entry(),
    // Ahead of this clock: however long the command line takes to start, it was just now.
    entry({ origins: ["a.test/x", "b.test/y"], heldBy: ["one", "two"], lastUsed: soon }),
    entry({ origins: [], preloaded: true, heldBy: ["one"] }),
  ];
  const { dataDir } = await serveControl(undo, { cache });
  const { stdout, stderr, exitCode } = await berth("cache", "ls", "--data-dir", dataDir);
  assert.equal([exitCode, stderr], [0, ""]);
  assert.equal(stdout.split("\n").map((line) => line.split(/ {3,}/)), [
    ["IMAGE", "DIGEST", "SIZE", "UNIQUE", "LAST USED", "HELD BY"],
    ["registry.test/app", "sha256:aaaaaaaaaaaa", "12.3MB", "346kB", "3 hours ago"],
    ["a.test/x (+1)", "sha256:aaaaaaaaaaaa", "12.3MB", "346kB", "just now", "one,two"],
    ["<unknown>", "sha256:aaaaaaaaaaaa", "12.3MB", "346kB", "3 hours ago", "(preloaded),one"],
    [""],
  ]);
  const json = JSON.parse((await berth("cache", "ls", "--json", "--data-dir", dataDir)).stdout);
  assert.equal(json[1], {
    digest,
    origins: ["a.test/x", "b.test/y"],
    sizeBytes: 12_345_678,
    uniqueBytes: 345_678,
    lastUsed: cache.entries[1]!.lastUsed.toISOString(),
    heldBy: ["one", "two"],
    preloaded: false,
  });
});

test("shows no terminal what a registry's name would have it do", async (undo) => {
  const cache = new FakeCacheAdmin();
  cache.entries = [entry({ origins: ["a.test/\x1b[2J"] })];
  const { dataDir } = await serveControl(undo, { cache });
  assert.not.match((await berth("cache", "ls", "--data-dir", dataDir)).stdout, "\x1b");
  assert.not.match((await berth("cache", "prune", "--data-dir", dataDir)).stdout, "\x1b");
});

test("prunes, and says what went and what it freed", async (undo) => {
  const cache = new FakeCacheAdmin();
  const { dataDir } = await serveControl(undo, { cache });
  const prune = (...words: string[]) => berth("cache", "prune", "--data-dir", dataDir, ...words);
  assert.equal(await prune(), {
    exitCode: 0,
    stdout: "removed registry.test/app@sha256:aaaaaaaaaaaa\n1 image removed, 346kB freed\n",
    stderr: "",
  });
  const json = JSON.parse((await prune("--all", "--json")).stdout);
  assert.equal([json.removed.length, json.removed[0].digest, json.freedBytes], [1, digest, 345_678]);
  cache.entries = [];
  assert.is((await prune("--older-than", "24h")).stdout, "0 images removed, 0B freed\n");
  await prune("--until-free", "1.5GiB");
  assert.equal(cache.wishes, [
    { kind: "over-watermarks" },
    { kind: "all" },
    { kind: "older-than", ageMs: 86_400_000 },
    { kind: "until-free", freeBytes: 1.5 * 1024 ** 3 },
  ]);
});

test("refuses measures that are none, and two wishes at once, before it asks anybody", async (undo) => {
  const cache = new FakeCacheAdmin();
  const { dataDir } = await serveControl(undo, { cache });
  for (
    const words of [
      ["--older-than", "yesterday"],
      ["--older-than", "-1h"],
      ["--until-free", "20XB"],
      ["--until-free", "99999999999TB"],
      ["--all", "--older-than", "1h"],
      ["--all", "--until-free", "1GB"],
      ["--older-than", "1h", "--until-free", "1GB"],
    ]
  ) {
    const { exitCode, stderr } = await berth("cache", "prune", "--data-dir", dataDir, ...words);
    assert.is(exitCode, 2, words.join(" "));
    assert.match(stderr, words[0]!);
  }
  assert.equal(cache.wishes, []);
});

test("shows how large and how useful the cache is", async (undo) => {
  const cache = new FakeCacheAdmin();
  const { dataDir } = await serveControl(undo, { cache });
  const stats = (...words: string[]) => berth("cache", "stats", "--data-dir", dataDir, ...words);
  assert.is(
    (await stats()).stdout,
    "images:      3, 1 held by jobs, 1 preloaded\n" +
      "size:        5GB\n" +
      "disk:        60GB of 100GB used, 60%\n" +
      "watermarks:  85% to 80.5% of the disk\n" +
      "pulls:       7 from the cache, 2 downloaded\n" +
      "evicted:     1 image, 1kB\n",
  );
  const watermarks = { highPercent: 100, lowPercent: 0, highBytes: 20e9, lowBytes: 18e9 };
  cache.figures = { ...cache.figures, watermarks };
  assert.match((await stats()).stdout, "watermarks:  100% to 0% of the disk, 20GB to 18GB of cache\n");
  assert.equal(JSON.parse((await stats("--json")).stdout), cache.figures);
});

test("says so where no plugin keeps a cache", async (undo) => {
  const { dataDir } = await serveControl(undo);
  const { exitCode, stderr } = await berth("cache", "ls", "--data-dir", dataDir);
  assert.is(exitCode, 1);
  assert.is(stderr, 'berth: plugin "images" keeps the image cache: it is not enabled\n');
});

test("reads sizes and times as people write them", () => {
  assert.equal(["0", "500", "20GB", "20 gb", "1.5GiB", "2k"].map(parseBytes), [
    0,
    500,
    20e9,
    20e9,
    1.5 * 1024 ** 3,
    2000,
  ]);
  assert.equal(["90s", "1.5h", "7d", "30m"].map(parseSpan), [90_000, 5_400_000, 604_800_000, 1_800_000]);
  for (const wrong of ["", "h", "24", "1w", "1e9s", "-1s", "1h30m"]) {
    assert.throws(() => parseSpan(wrong), /such as/, wrong);
  }
});

test("writes sizes and ages in three digits and one unit", () => {
  const sizes = [0, 999, 1000, 999_499, 999_500, 12_345_678, 1e9, 1.5e15];
  assert.equal(sizes.map(bytesText), ["0B", "999B", "1kB", "999kB", "1MB", "12.3MB", "1GB", "1.5PB"]);
  const ages = [-5, 0, 999, 1000, 59_999, 60_000, 3_600_000 * 25, 86_400_000 * 400];
  assert.equal(ages.map(ageText), [
    "just now",
    "just now",
    "just now",
    "1 second ago",
    "59 seconds ago",
    "1 minute ago",
    "1 day ago",
    "400 days ago",
  ]);
});

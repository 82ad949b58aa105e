import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { ApiError } from "../../core/support/errors.ts";
import { applyChanges, type RunConfig } from "../../plugins/images/changes.ts";
import { checkoutRoot } from "../support/berth-command.ts";
import { assert, test } from "../support/test.ts";

/** What Docker Engine 28.5 made of `docker import --change`. */
interface Recorded {
  readonly changes: string;
  readonly config?: RunConfig;
  readonly error?: string;
}

function outcome(changes: string): Omit<Recorded, "changes"> {
  try {
    const set = Object.entries(applyChanges({}, [changes])).filter(([, value]) => !isEmpty(value));
    return { config: Object.fromEntries(set) };
  } catch (error) {
    if (!(error instanceof ApiError) || error.status !== 400) throw error;
    return { error: error.message };
  }
}

const isEmpty = (value: unknown) =>
  value === null || value === "" || Array.isArray(value) && value.length === 0;

test("understands and refuses changes as Docker does", async () => {
  const text = await readFile(join(checkoutRoot, "test/recorded/changes.json"), "utf8");
  const recorded = JSON.parse(text) as Recorded[];
  assert.ok(recorded.length > 100);
  for (const { changes, ...docker } of recorded) {
    assert.equal({ changes, ...outcome(changes) }, { changes, ...docker });
  }
});

test("changes what is there, and keeps what is not named", () => {
  const config = { Cmd: ["old"], Env: ["A=1", "B=2"], Labels: { a: "1" }, Shell: ["/bin/bash", "-ec"] };
  assert.equal(applyChanges(config, []), config);
  assert.equal(applyChanges(config, ["ENV B=3", "LABEL b=2"]), {
    ...config,
    Env: ["A=1", "B=3"],
    Labels: { a: "1", b: "2" },
  });
  assert.equal(applyChanges(config, ["ENTRYPOINT x"]), {
    ...config,
    Cmd: null,
    Entrypoint: ["/bin/bash", "-ec", "x"],
  });
  assert.equal(config.Env, ["A=1", "B=2"]);
});

test("a name that objects have anyway is a name like any other", () => {
  const { Labels, Volumes } = applyChanges({}, ["LABEL __proto__=x constructor=y", "VOLUME __proto__"]);
  assert.equal(Object.entries(Labels ?? {}), [["__proto__", "x"], ["constructor", "y"]]);
  assert.equal(Object.keys(Volumes ?? {}), ["__proto__"]);
  assert.throws(() => applyChanges({}, ["constructor x"]), /not a valid change command/);
  assert.throws(() => applyChanges({}, ["HEALTHCHECK --interval=1constructor CMD x"]), /unknown unit/);
});

test("variables that double with each line are stopped", () => {
  const doubling = ["ENV A=0123456789", ...Array.from({ length: 60 }, () => "ENV A=$A$A")];
  assert.throws(() => applyChanges({}, doubling), /becomes longer than/);
  const wide = Array.from({ length: 900 }, (_, at) => `ENV A${at}=$A`);
  assert.throws(
    () => applyChanges({}, [`ENV A=${"x".repeat(30_000)}`, ...wide]),
    /too long by the variables/,
  );
  assert.throws(() => applyChanges({}, ["CMD x".padEnd(70_000, "x")]), /longer than 65536 characters/);
  assert.throws(() => applyChanges({}, Array(1_001).fill("CMD x")), /more than 1000 instructions/);
  assert.throws(() => applyChanges({}, [`ENV A=${"${B:-".repeat(5_000)}`]), /nested too deep/);
});

test("whatever is written, there is an answer or a refusal, soon", () => {
  const pieces = [
    ..."CMD ENTRYPOINT ENV EXPOSE LABEL USER VOLUME WORKDIR ONBUILD STOPSIGNAL HEALTHCHECK RUN".split(" "),
    ..."$ ${ } \\ ` ' \" = [ ] , # -- --interval= 1s 80 / : - \0 \n \r \t \u{1F600} __proto__ # escape=` <<EOF"
      .split(" "),
    " ",
    "\n",
    "",
  ];
  // A generator of its own, so that what fails can be run again.
  let state = 1;
  const random = (below: number) => (state = (state * 48271) % 2147483647) % below;
  const startedAt = Date.now();
  for (let round = 0; round < 3_000; round++) {
    outcome(
      Array.from({ length: random(20) }, () => pieces[random(pieces.length)]).join(random(2) ? " " : ""),
    );
  }
  for (const piece of pieces) outcome(`ENV A=${piece.repeat(1_000)}`);
  assert.ok(Date.now() - startedAt < 10_000);
});

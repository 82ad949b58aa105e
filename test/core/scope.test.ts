import { inject, optional, Scope, token } from "../../core/kernel/scope.ts";
import { assert, rejection, test } from "../support/test.ts";

type Named = { name: string };
const First = token<Named>("test.first");
const Second = token<Named & { first: Named }>("test.second");
const PerJob = token<Named & { first: Named }>("test.per-job");

class Plain {
  name = "plain";
}

class NeedsFirst {
  readonly name = "second";
  readonly first: Named;
  constructor(@inject(First) first: Named) {
    this.first = first;
  }
}

test("builds dependencies first, whatever the order of binding", () => {
  const scope = Scope.daemon();
  scope.bind(Second, NeedsFirst);
  scope.bind(First, Plain);
  scope.build();
  assert.is(scope.get(Second).first, scope.get(First));
});

test("wires classes without decorators by a list of tokens", () => {
  const scope = Scope.daemon();
  scope.bind(First, { value: { name: "value" } });
  scope.bind(Second, { class: NeedsFirst, inject: [First] });
  scope.build();
  assert.is(scope.get(Second).first.name, "value");
});

test("refuses a second binding of a token, also when a job's scope makes it", () => {
  const scope = Scope.daemon();
  scope.bind(First, Plain);
  assert.throws(() => scope.bind(First, Plain), /bound already/);
  scope.build();
  assert.throws(() => scope.job("j1").bind(First, Plain), /bound already/);
});

test("names both sides when a provider is missing", () => {
  const scope = Scope.daemon();
  scope.bind(Second, NeedsFirst);
  assert.throws(() => scope.build(), /cannot build test.second/);
});

test("refuses a constructor parameter without a token", () => {
  class Half {
    name: string;
    constructor(@inject(First) first: Named, other: string) {
      this.name = first.name + other;
    }
  }
  const scope = Scope.daemon();
  scope.bind(First, Plain);
  scope.bind(PerJob, Half as never);
  assert.throws(() => scope.build(), /takes 2 parameters, 1 of them marked/);
});

test("keeps two jobs' objects apart and shares the daemon's", () => {
  const daemon = Scope.daemon();
  daemon.bind(First, Plain);
  daemon.build();
  const [one, other] = ["j1", "j2"].map((id) => {
    const scope = daemon.job(id);
    scope.bind(PerJob, NeedsFirst);
    scope.build();
    return scope.get(PerJob);
  });
  assert.is.not(one, other);
  assert.is(one!.first, other!.first);
});

/** An object that writes down when it is opened and closed. */
const recorder = (journal: string[], name: string, fail = "") =>
  class {
    name = name;
    open() {
      journal.push(`open ${name}`);
      if (fail === "open") throw new Error(`${name} will not open`);
    }
    close() {
      journal.push(`close ${name}`);
      if (fail === "close") throw new Error(`${name} will not close`);
    }
  };

test("opens in creation order and closes in reverse, all of it after a failure", async () => {
  const journal: string[] = [];
  const scope = Scope.daemon();
  scope.bind(First, recorder(journal, "first"));
  scope.bind(PerJob, recorder(journal, "broken", "close") as never);
  scope.bind(token("test.third"), recorder(journal, "third"));
  await scope.open();
  const error = await rejection(scope.close());
  assert.match(error.message, /test.per-job: broken will not close/);
  assert.equal(journal, [
    "open first",
    "open broken",
    "open third",
    "close third",
    "close broken",
    "close first",
  ]);
});

test("closes what was opened when one object fails to open", async () => {
  const journal: string[] = [];
  const scope = Scope.daemon();
  scope.bind(First, recorder(journal, "first"));
  scope.bind(PerJob, recorder(journal, "broken", "open") as never);
  scope.bind(token("test.never"), recorder(journal, "never"));
  const error = await rejection(scope.open());
  assert.is(error.message, "broken will not open");
  assert.equal(journal, ["open first", "open broken", "close broken", "close first"]);
});

test("goes on without an object that its owner can spare", async () => {
  const journal: string[] = [];
  const scope = Scope.daemon();
  scope.bind(First, recorder(journal, "broken", "open"));
  scope.bind(PerJob, recorder(journal, "other") as never);
  await scope.open(() => {});
  assert.equal(journal, ["open broken", "open other"]);
});

test("makes objects with a function that takes what it asks for", () => {
  const scope = Scope.daemon();
  scope.bind(Second, { make: (first: Named) => ({ name: "made", first }), inject: [First] });
  scope.bind(First, Plain);
  scope.build();
  assert.is(scope.get(Second).first, scope.get(First));
});

test("hands undefined for an optional token that nobody bound, whatever the recipe", () => {
  class Content {
    readonly name: string;
    constructor(@inject(optional(First)) first: Named | undefined) {
      this.name = `${first}`;
    }
  }
  const scope = Scope.daemon();
  scope.bind(PerJob, Content as never);
  scope.bind(token("test.made"), {
    make: (first?: Named) => ({ name: `${first}` }),
    inject: [optional(First)],
  });
  scope.build();
  assert.is(scope.get(PerJob).name, "undefined");
  assert.is(scope.get(token<Named>("test.made")).name, "undefined");
});

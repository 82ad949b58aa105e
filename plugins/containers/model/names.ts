import { invalid } from "../../../core/support/errors.ts";
import { randomBytes, randomInt } from "node:crypto";

const allowed = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

const adjectives = (
  "able agile amber ample apt bold brave breezy bright brisk calm candid careful cheery chief civil clear clever cosy " +
  "crisp curious dapper daring deft direct eager early earnest easy epic exact fair famous fancy fast fine firm fleet " +
  "fluent fond frank free fresh gentle genuine glad golden grand green happy hardy hasty honest humble ideal jolly " +
  "keen kind lively lofty loyal lucid lucky mellow merry mighty modest neat nimble noble novel patient placid plucky " +
  "polite prime proud quick quiet rapid ready robust royal salty sharp silent simple sleek smart snug solid sound spry " +
  "steady stout sunny supple sure swift tidy tranquil true upbeat vivid warm witty worthy zesty"
).split(" ");

const surnames = (
  "anning babbage baker bell bernoulli bohr boole cantor carson cauchy cerf chandra church clarke codd cook cousteau " +
  "curie darwin davy dijkstra dirac earhart einstein elion euclid euler faraday fermat fermi feynman franklin galileo " +
  "gauss germain goodall hamilton hawking heron herschel hertz hilbert hodgkin hooke hopper hubble huygens hypatia " +
  "jemison johnson kepler khayyam knuth kovalevskaya lamarr laplace leavitt leibniz linnaeus liskov lovelace magellan " +
  "maxwell mayer mccarthy meitner mendel mercator mitchell morse nansen newton nightingale nobel noether ohm pascal " +
  "pasteur pauling planck ptolemy ramanujan ride ritchie rubin sagan shannon sinclair somerville tesla thompson " +
  "torvalds turing volta watt wiles wing wozniak wright wu yonath yukawa zuse"
).split(" ");

/** Takes a name as the client gave it, with or without its slash. Errors: 400 in Docker's words. */
export function checkName(given: string): string {
  const name = given.startsWith("/") ? given.slice(1) : given;
  if (allowed.test(name)) return name;
  throw invalid(`Invalid container name (${given}), only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed`);
}

/** A name for a container that was given none, one that is not taken. */
export function inventName(taken: (name: string) => boolean): string {
  for (let attempt = 0;; attempt++) {
    const name = `${pick(adjectives)}_${pick(surnames)}`;
    if (!taken(name)) return name;
    const numbered = `${name}${randomInt(10)}`;
    if (attempt > 5 && !taken(numbered)) return numbered;
    if (attempt > 50) return `${name}_${randomBytes(4).toString("hex")}`;
  }
}

/** 64 hex digits. Never all decimal in the first twelve: those would be a number to a shell, and a bad hostname. */
export function newId(): string {
  for (;;) {
    const id = randomBytes(32).toString("hex");
    if (!/^\d{12}/.test(id)) return id;
  }
}

const pick = (words: readonly string[]) => words[randomInt(words.length)]!;

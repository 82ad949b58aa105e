import { invalid } from "../../../core/support/errors.ts";

const control = "@abcdefghijklmnopqrstuvwxyz[\\]^_";
const deleteKey = 127;

/** Ctrl-P, Ctrl-Q. */
export const defaultDetachKeys: readonly number[] = [16, 17];

/**
 * Reads `ctrl-p,ctrl-q`, `a,b`, `DEL`. Empty means the default. Errors: 400 in Docker's words.
 */
export function parseDetachKeys(text: string | undefined): readonly number[] {
  if (!text) return defaultDetachKeys;
  return text.split(",").map((key) => {
    if (key.length === 1) return key.charCodeAt(0);
    const code = key.startsWith("ctrl-") && key.length === 6 ? control.indexOf(key[5]!) : -1;
    if (code >= 0) return code;
    if (key.toUpperCase() === "DEL") return deleteKey;
    throw invalid(`Invalid detach keys (${text}) provided`);
  });
}

/** Finds the detach keys in what a terminal sends, however it is cut into pieces. */
export class DetachKeys {
  readonly #keys: readonly number[];
  #matched = 0;

  constructor(keys: readonly number[]) {
    this.#keys = keys;
  }

  /** The input to pass on; what could become the keys is held back until it is clear that it does not. */
  feed(chunk: Uint8Array): { pass: Uint8Array; detached: boolean } {
    const pass: number[] = [];
    for (const byte of chunk) {
      if (byte === this.#keys[this.#matched]) {
        if (++this.#matched === this.#keys.length) return { pass: Uint8Array.from(pass), detached: true };
        continue;
      }
      pass.push(...this.#keys.slice(0, this.#matched));
      this.#matched = byte === this.#keys[0] ? 1 : 0;
      if (this.#matched === 0) pass.push(byte);
    }
    return { pass: Uint8Array.from(pass), detached: false };
  }
}

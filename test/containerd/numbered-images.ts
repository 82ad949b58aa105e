/** Images that two processes make alike: a number says what is in them. */
import {
  attestationOf,
  type FakeSource,
  imageOf,
  indexed,
  plainLayer,
  tarOf,
} from "../contract/image-store-fixtures.ts";

/** Random numbers below a bound, the same for the same seed. Source: mulberry32, public domain. */
export function randomFrom(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = state + 0x6d2b79f5 >>> 0;
    let mixed = Math.imul(state ^ state >>> 15, state | 1);
    mixed ^= mixed + Math.imul(mixed ^ mixed >>> 7, mixed | 61);
    return ((mixed ^ mixed >>> 14) >>> 0) % below;
  };
}

/** Image N: two layers of its own of about a megabyte, one that it shares with every third, and an attestation. */
export async function numberedImage(number: number, isPulled: boolean): Promise<FakeSource> {
  const layers = await Promise.all(
    [`shared ${number % 3}`, `own ${number}`, `top ${number}`].map(async (text, at) =>
      plainLayer(await tarOf({ [`file${at}`]: Buffer.alloc(700_000 + 400_000 * at, text) }))
    ),
  );
  const source = imageOf(layers, isPulled ? `registry.test/app${number % 4}` : undefined);
  return indexed(source, [attestationOf(source, [`provenance of ${number}`])]);
}

import { buildImage } from "../support/busybox-image.ts";
import type { TestRegistry } from "../support/registry.ts";
import { type Ask, recorder, type Recording } from "./ask.ts";
import { playContainers } from "./play-containers.ts";
import { playedImage, playImages, playTidy } from "./play-images.ts";
import { playPulls } from "./play-pulls.ts";
import { playReferences } from "./play-references.ts";
import { playRemovals } from "./play-removals.ts";

/**
 * Asks one engine a fixed list of questions. The same list is recorded from the oracle and played against Berth.
 *
 * @param registry on this host's loopback, open, and empty so far
 */
export async function play(socketPath: string, registry: TestRegistry): Promise<Recording> {
  const recording: Recording = {};
  const ask = recorder(socketPath, recording);
  await playRoutes(ask);
  await playImages(ask);
  await playReferences(socketPath, recording);
  await playContainers(ask);
  await playRemovals(ask);
  await playPulls(ask, registry);
  await playTidy(ask);
  return recording;
}

async function playRoutes(ask: Ask): Promise<void> {
  await ask("ping", "GET", "/_ping");
  await ask("unknown path", "GET", "/v1.51/nothing");
  await ask("unknown method", "PUT", "/v1.51/containers/json");
  await ask("old version", "GET", "/v1.24/containers/json");
}

/** The ID of the image that {@link play} loads. */
export const playedImageId = async () => (await buildImage({ tags: [playedImage] })).id;

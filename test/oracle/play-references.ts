import { call } from "../support/engine-api.ts";
import { filters, inPath, type Recording } from "./ask.ts";
import { playedImage } from "./play-images.ts";
import { references } from "./references.ts";

/**
 * What each reference is to an engine: as the name of an image that is looked for, and as a name to give. Recorded as
 * they are: nothing in them changes from run to run.
 */
export async function playReferences(socketPath: string, recording: Recording): Promise<void> {
  const looked: Record<string, string> = {};
  const given: Record<string, string> = {};
  for (const reference of references) {
    looked[reference] = await lookFor(socketPath, reference);
    given[reference] = await give(socketPath, reference);
  }
  recording["references looked for"] = { status: 200, contentType: "", body: looked };
  recording["references given"] = { status: 200, contentType: "", body: given };
}

async function lookFor(socketPath: string, reference: string): Promise<string> {
  const path = `/v1.51/images/json?${filters({ before: [reference], reference: ["berth-oracle/none"] })}`;
  const { status, text } = await call(socketPath, "GET", path);
  return `${status} ${messageIn(text)}`;
}

/** The name that the image got, as its removal tells it, or why it got none. */
async function give(socketPath: string, reference: string): Promise<string> {
  const path = `/v1.51/images/${playedImage}/tag?repo=${encodeURIComponent(reference)}`;
  const { status, text } = await call(socketPath, "POST", path);
  if (status !== 201) return `${status} ${messageIn(text)}`;
  const removed = await call(socketPath, "DELETE", `/v1.51/images/${inPath(reference)}`);
  return `${status} ${removed.status} ${removed.text.trim()}`;
}

const messageIn = (text: string): string => text.startsWith("{") ? JSON.parse(text).message : text.trim();

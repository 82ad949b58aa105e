import { mkdir } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { DaemonFacts } from "../../../core/kernel/plugin.ts";
import { type Managed, type Token, token } from "../../../core/kernel/scope.ts";
import { readJson, writeAtomically } from "../../../core/support/atomic-file.ts";
import { pause } from "../../../core/support/deadline.ts";
import { messageOf } from "../../../core/support/errors.ts";
import { Turns } from "../../../core/support/turns.ts";
import type { ImageCache, Registries, RegistryCredentials, StoredImage } from "../backend.ts";
import type { CacheKeeper } from "../cache/keeper.ts";
import { hostPlatform } from "../platform.ts";
import { readCredentials } from "./credentials.ts";
import { namesOf, remoteOf } from "../remote.ts";
import { familiar, type Reference } from "../reference.ts";

/** An image that every job has from its start, with the names it has there. */
export interface PreloadedImage {
  readonly image: StoredImage;
  /** As a pull names it: by its tag, and by the digest the registry knows it by. */
  readonly references: readonly Reference[];
}

/** Daemon-scoped; the objects of this area take it from each other. */
export const PreloadToken: Token<Preload> = token("images.preload");

/** What to preload, and with which credentials. */
export interface PreloadPlan {
  readonly references: readonly Reference[];
  /** Path of a file in the format of docker's config.json. */
  readonly credentialsPath?: string;
  readonly defaultRegistry: string;
}

/** Pulls at a time. */
const pullsAtOnce = 2;
const firstPauseMs = 1_000;
const longestPauseMs = 60_000;

/** Manifests are asked for once a start: there is nothing to save. */
const noneKnown = () => Promise.resolve(undefined);

/** What the file holds: what the last daemon knew, for the time until this one has asked the registries. */
interface Saved {
  readonly format: 1;
  /** By familiar reference. */
  readonly images: Readonly<Record<string, PreloadedImage>>;
}

/**
 * Pulls the images of the settings when the daemon starts, in the background, each until it is there. Images that an
 * earlier daemon preloaded serve until their registry has answered. An image that took another's place lets that
 * one be until the next start: jobs may have it.
 */
export class Preload implements Managed {
  readonly #plan: PreloadPlan;
  readonly #registries: Registries;
  readonly #cache: ImageCache;
  readonly #keeper: CacheKeeper;
  readonly #log: DaemonFacts["log"];
  readonly #path: string;
  readonly #images = new Map<string, PreloadedImage>();
  /** By familiar reference, why it is not there or not fresh. */
  readonly #problems = new Map<string, string>();
  readonly #closing = new AbortController();
  readonly #turns = new Turns(pullsAtOnce);
  #running: Promise<unknown> = Promise.resolve();
  #saving: Promise<void> = Promise.resolve();

  constructor(
    plan: PreloadPlan,
    registries: Registries,
    cache: ImageCache,
    keeper: CacheKeeper,
    daemon: DaemonFacts,
  ) {
    this.#plan = plan;
    this.#registries = registries;
    this.#cache = cache;
    this.#keeper = keeper;
    this.#log = daemon.log;
    this.#path = join(daemon.dataDir, "images", "preload.json");
  }

  async open(): Promise<void> {
    await this.#takeOver();
    this.#running = Promise.all(this.#plan.references.map((reference) => this.#pullUntilThere(reference)));
  }

  async close(): Promise<void> {
    this.#closing.abort(new Error("the daemon is stopping"));
    await this.#running;
  }

  /** The images that are there now, in the order of the settings. */
  list(): PreloadedImage[] {
    return this.#plan.references.flatMap((reference) => this.#images.get(familiar(reference)) ?? []);
  }

  /** What stands in the way of an image, one sentence each. */
  warnings(): string[] {
    return [...this.#problems].map(([name, problem]) => {
      const state = this.#images.has(name) ? "is as it was before the restart" : "is not there yet";
      return `preloaded image ${name} ${state}: ${problem}`;
    });
  }

  /** What an earlier daemon preloaded and the settings still name. */
  async #takeOver(): Promise<void> {
    const file = await readJson<Saved>(this.#path);
    const saved = file?.format === 1 ? file.images : {};
    const wanted = this.#plan.references.map(familiar);
    const known = wanted.flatMap((name) => Object.hasOwn(saved, name) ? [[name, saved[name]!] as const] : []);
    const kept = await this.#cache.keepPinned(known.map(([, { image }]) => image));
    for (const [name, preloaded] of known) {
      if (kept.includes(preloaded.image)) this.#images.set(name, preloaded);
    }
  }

  async #pullUntilThere(reference: Reference): Promise<void> {
    const name = familiar(reference);
    const { signal } = this.#closing;
    for (let pauseMs = firstPauseMs; !signal.aborted; pauseMs = Math.min(pauseMs * 2, longestPauseMs)) {
      try {
        return await this.#turns.run(() => this.#pull(reference, name));
      } catch (error) {
        if (signal.aborted) return;
        this.#note(name, messageOf(error));
        await pause(pauseMs, signal);
      }
    }
  }

  async #pull(reference: Reference, name: string): Promise<void> {
    const { signal } = this.#closing;
    signal.throwIfAborted();
    const remote = remoteOf(reference, this.#plan);
    const credentials = await this.#credentialsFor(remote.registry);
    const resolved = await this.#registries.resolve(remote, hostPlatform(), credentials, signal, noneKnown);
    const image = await this.#cache.pin(resolved.source, () => {}, signal);
    this.#images.set(name, { image, references: namesOf(reference, resolved) });
    this.#problems.delete(name);
    await this.#save();
    this.#log.info({ image: name, digest: resolved.digest }, "image preloaded");
    this.#keeper.lookSoon();
  }

  /** Read each time: whoever writes the file may renew it. */
  async #credentialsFor(registry: string): Promise<RegistryCredentials | undefined> {
    const { credentialsPath } = this.#plan;
    return credentialsPath === undefined
      ? undefined
      : (await readCredentials(credentialsPath, this.#plan))(registry);
  }

  #note(name: string, problem: string): void {
    if (this.#problems.get(name) !== problem) {
      this.#log.warn({ image: name, problem }, "image cannot be preloaded yet");
    }
    this.#problems.set(name, problem);
  }

  /** One write at a time, each of the newest state. */
  #save(): Promise<void> {
    this.#saving = this.#saving.catch(() => {}).then(async () => {
      await mkdir(dirname(this.#path), { recursive: true, mode: 0o700 });
      const saved: Saved = { format: 1, images: Object.fromEntries(this.#images) };
      await writeAtomically(this.#path, JSON.stringify(saved));
    });
    return this.#saving;
  }
}

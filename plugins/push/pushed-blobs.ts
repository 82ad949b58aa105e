import { join } from "node:path";
import type { Job } from "../../core/kernel/job.ts";
import { inject, type Token, token } from "../../core/kernel/scope.ts";
import { JobToken } from "../../core/kernel/tokens.ts";
import { readJson, writeAtomically } from "../../core/support/atomic-file.ts";
import type { Descriptor } from "../images/backend.ts";

/** Job-scoped; the objects of this area take it from each other. */
export const PushedBlobsToken: Token<PushedBlobs> = token("push.blobs");

/** A layer as it went out. */
export type Compressed = Pick<Descriptor, "digest" | "sizeBytes">;

/** Repositories remembered for one blob. More would hardly be tried. */
const mostRepositories = 8;

interface Saved {
  readonly format: 1;
  readonly compressed: Readonly<Record<string, Compressed>>;
  readonly repositories: Readonly<Record<string, readonly string[]>>;
}

/**
 * What the job pushed before: the compressed form that layers without one were given, so that it need not be made
 * again to be recognised, and where blobs went, so that they can be mounted from there. What is forgotten costs time
 * and nothing else.
 */
export class PushedBlobs {
  readonly #path: string;
  readonly #compressed = new Map<string, Compressed>();
  readonly #repositories = new Map<string, readonly string[]>();
  #saving: Promise<void> = Promise.resolve();

  constructor(@inject(JobToken) job: Job) {
    this.#path = join(job.dir, "pushed.json");
  }

  async open(): Promise<void> {
    const saved = await readJson<Saved>(this.#path);
    for (const [diffId, blob] of Object.entries(saved?.compressed ?? {})) this.#compressed.set(diffId, blob);
    for (const [digest, names] of Object.entries(saved?.repositories ?? {})) {
      this.#repositories.set(digest, names);
    }
  }

  /** The compressed form of an uncompressed layer, when it was pushed before. */
  compressedOf(diffId: string): Compressed | undefined {
    return this.#compressed.get(diffId);
  }

  /** Where a blob was pushed, `registry.example:5000/team/app`, newest first. */
  repositoriesOf(digest: string): readonly string[] {
    return this.#repositories.get(digest) ?? [];
  }

  wasCompressed(diffId: string, blob: Compressed): void {
    this.#compressed.set(diffId, blob);
  }

  wentTo(digest: string, repository: string): void {
    const others = this.repositoriesOf(digest).filter((each) => each !== repository);
    this.#repositories.set(digest, [repository, ...others].slice(0, mostRepositories));
  }

  /** Writes it all down. One write at a time, each of the newest state. */
  save(): Promise<void> {
    const next = this.#saving.catch(() => {}).then(() => writeAtomically(this.#path, this.#content()));
    this.#saving = next;
    return next;
  }

  #content(): string {
    const saved: Saved = {
      format: 1,
      compressed: Object.fromEntries(this.#compressed),
      repositories: Object.fromEntries(this.#repositories),
    };
    return JSON.stringify(saved);
  }
}

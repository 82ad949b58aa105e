import { conflict, invalid, messageOf, notFound, unavailable } from "../../../core/support/errors.ts";
import { inject, type Token, token } from "../../../core/kernel/scope.ts";
import { type Job, JobToken } from "../../../core/kernel/job.ts";
import { type ImageLookup, ImageLookupToken } from "../backend.ts";
import { ContainerLog } from "../log/container-log.ts";
import { findEnd } from "../log/read.ts";
import { Background } from "./background.ts";
import { Container, createdState } from "./container.ts";
import { inventName } from "./names.ts";
import type { ContainerFacts, ContainerRecord, ContainerState } from "./record.ts";
import { ContainerStore } from "./store.ts";

/** Job-scoped; the handlers of this area take it. */
export const ContainersToken: Token<Containers> = token("containers.all");

const lostExitCode = 255;

/** A name that is being used, and by which container. */
interface Claim {
  readonly id: string;
  readonly imageId: string;
}

/** The containers of one job, by ID and by name. */
export class Containers {
  /** Removals and writes that nobody waits for. */
  readonly background: Background;
  readonly #job: Job;
  readonly #images: ImageLookup;
  readonly #store: ContainerStore;
  readonly #byId = new Map<string, Container>();
  readonly #names = new Map<string, Claim>();
  #closed = false;

  constructor(@inject(JobToken) job: Job, @inject(ImageLookupToken) images: ImageLookup) {
    this.#job = job;
    this.#images = images;
    this.#store = new ContainerStore(job.dir);
    this.background = new Background(job.log);
  }

  async open(): Promise<void> {
    this.#images.askForUsers((imageId) => this.#usersOf(imageId));
    for (const record of await this.#store.load()) await this.#adopt(record);
  }

  /** Ends whoever waits or reads; the engine, closed after this, ends what runs. */
  async close(): Promise<void> {
    this.#closed = true;
    for (const { waiters } of this.#byId.values()) {
      waiters.giveUp(unavailable(`job ${this.#job.id} is closing`));
    }
    const closing = [...this.#byId.values()].map(({ log }) => log.close());
    await Promise.all([...closing, this.background.settled()]);
  }

  /** Once true, exits are the engine's doing and are not recorded. */
  get closed(): boolean {
    return this.#closed;
  }

  /** Newest first, as `docker ps` shows them. */
  list(): Container[] {
    return [...this.#byId.values()].reverse();
  }

  /**
   * By full ID, by name with or without its slash, or by a prefix of the ID that only one has. Errors: 404 in Docker's
   * words; 400 for a prefix that several have.
   */
  find(text: string): Container {
    const name = text.startsWith("/") ? text.slice(1) : text;
    const found = this.#byId.get(text) ?? this.#byId.get(this.#names.get(name)?.id ?? "");
    if (found) return found;
    const matches = text === "" ? [] : [...this.#byId.values()].filter(({ id }) => id.startsWith(text));
    if (matches.length > 1) throw invalid(`multiple IDs found with provided prefix: ${text}`);
    if (!matches[0]) throw notFound(`No such container: ${text}`);
    return matches[0];
  }

  /**
   * Takes a name for a container that is about to be made, or invents one. Errors: 409 in Docker's words.
   */
  claim(wanted: string | undefined, claim: Claim): string {
    const name = wanted ?? inventName((each) => this.#names.has(each));
    const holder = this.#names.get(name);
    if (holder) {
      throw conflict(
        `Conflict. The container name "/${name}" is already in use by container "${holder.id}". ` +
          "You have to remove (or rename) that container to be able to reuse that name.",
      );
    }
    this.#names.set(name, claim);
    return name;
  }

  /** Gives a claimed name back: the container was not made after all. */
  unclaim(name: string): void {
    this.#names.delete(name);
  }

  /** Records a new container; it can be found when this resolves. */
  async add(facts: ContainerFacts, prepared: Promise<void>): Promise<Container> {
    const container = this.#build(facts, createdState, 0);
    const recorded = this.#store.make(facts.id).then(() => container.save());
    const [first, second] = await Promise.allSettled([prepared, recorded]);
    const failed = [first, second].find((each) => each.status === "rejected");
    if (failed) {
      await this.#store.removeDir(facts.id);
      throw failed.reason;
    }
    this.#byId.set(facts.id, container);
    return container;
  }

  /** Makes a container unreachable, its name free, and that last. The rest of it goes in the background. */
  async drop(container: Container, removeFromEngine: () => Promise<void>): Promise<void> {
    this.#byId.delete(container.id);
    this.#names.delete(container.name);
    await container.forget();
    container.waiters.gone(container.state.exitCode);
    this.background.add(`removal of container ${container.id}`, this.#clear(container, removeFromEngine));
  }

  async #clear(container: Container, removeFromEngine: () => Promise<void>): Promise<void> {
    const outcomes = await Promise.allSettled([
      removeFromEngine(),
      container.log.retire().then(() => this.#store.removeDir(container.id)),
    ]);
    for (const outcome of outcomes) if (outcome.status === "rejected") throw outcome.reason;
  }

  /** A container that a former daemon recorded. What ran then is lost: an engine that keeps it says so elsewhere. */
  async #adopt({ facts, state }: ContainerRecord): Promise<void> {
    const lost: Partial<ContainerState> = state.status === "running"
      ? { status: "exited", exitCode: lostExitCode, error: "lost when the daemon ended", processId: 0 }
      : {};
    const end = await findEnd(this.#store.logPath(facts.id));
    this.#byId.set(facts.id, this.#build(facts, { ...state, ...lost, endpoint: undefined }, end));
    this.#names.set(facts.name, facts);
  }

  #build(facts: ContainerFacts, state: ContainerState, logEnd: number): Container {
    const log = new ContainerLog(this.#store.logPath(facts.id), logEnd, (error) => {
      this.#job.log.error(
        { container: facts.id, error: messageOf(error) },
        "container log cannot be written",
      );
    });
    return new Container(facts, state, log, this.#store);
  }

  /** Containers that are being made count as users, too: their image must not go meanwhile. */
  #usersOf(imageId: string): { id: string; running: boolean }[] {
    return [...this.#names.values()].filter((claim) => claim.imageId === imageId).map(({ id }) => ({
      id,
      running: this.#byId.get(id)?.state.status === "running",
    }));
  }
}

import { within } from "../support/deadline.ts";
import { messageOf } from "../support/errors.ts";
import type { Job } from "./job.ts";
import { PluginError } from "./loader.ts";
import type { PlannedPlugin } from "./plan.ts";
import type { DaemonFacts, Description, Plugin, PluginContext, PluginStatus, Skip } from "./plugin.ts";
import type { Route } from "./route.ts";
import type { Binder, Scope, Token } from "./scope.ts";
import type { PluginDirectory } from "./tokens.ts";

/** Time one plugin may take to start, in milliseconds. */
export const startDeadlineMs = 60_000;

/** A plugin that does not run, and why. */
export interface AbsentPlugin {
  readonly id: string;
  readonly summary: string;
  readonly state: "skipped" | "disabled" | "failed";
  readonly reason: string;
  readonly routes: readonly Pick<Route, "method" | "path">[];
  /** What others cannot have because of it. */
  readonly provides?: readonly Token<unknown>[];
}

type Running = { planned: PlannedPlugin; context: PluginContext<unknown> };

/** Takes planned plugins through their lives and knows how each is doing. */
export class PluginHost implements PluginDirectory {
  readonly #facts: DaemonFacts;
  readonly #running = new Map<string, Running>();
  readonly #absent = new Map<string, AbsentPlugin>();
  readonly #ownerOfToken = new Map<symbol, string>();
  #scope: Scope | undefined;

  /** @param disabled plugins that the operator switched off, for their reason in 501 answers */
  constructor(facts: DaemonFacts, disabled: readonly AbsentPlugin[] = []) {
    this.#facts = facts;
    for (const each of disabled) this.#absent.set(each.id, each);
  }

  /** Notes an optional plugin that could not be loaded, so that it is listed with the reason. */
  setAside(id: string, reason: string): void {
    this.#facts.log.warn({ plugin: id, reason }, "optional plugin not loaded");
    this.#absent.set(id, { id, summary: "", state: "failed", reason, routes: [] });
  }

  /** Starts the plugins in the plan's order, then builds and opens everything they bind in the daemon's scope. */
  async start(planned: readonly PlannedPlugin[], scope: Scope): Promise<void> {
    this.#scope = scope;
    for (const each of planned) await this.#startOne(each, scope);
    await scope.open((failed, error) => this.#tolerate(failed, error));
  }

  /** Declares a job's bindings in its scope. */
  bindJob(scope: Scope, job: Job): void {
    for (const [id, { planned: { plugin }, context }] of this.#running) {
      try {
        plugin.job?.(scope, context, job);
      } catch (error) {
        throw new PluginError(id, "bind a job", error);
      }
    }
  }

  /** The routes of all running plugins. */
  routes(): { plugin: string; route: Route }[] {
    return [...this.#running].flatMap(([plugin, { planned }]) =>
      (planned.plugin.routes ?? []).map((route) => ({ plugin, route }))
    );
  }

  /** Why plugins that exist do not serve, by id. */
  unserved(): ReadonlyMap<string, string> {
    return new Map([...this.#absent].map(([id, { reason }]) => [id, reason]));
  }

  list(): readonly PluginStatus[] {
    const running = [...this.#running.values()].map(({ planned: { plugin } }): PluginStatus => ({
      id: plugin.id,
      summary: plugin.summary,
      state: "running",
      routes: routesOf(plugin),
    }));
    const absent = [...this.#absent.values()].map(({ provides: _, ...status }): PluginStatus => status);
    return [...running, ...absent].sort((one, other) => one.id < other.id ? -1 : 1);
  }

  async describe(): Promise<readonly (Description & { id: string })[]> {
    const scope = this.#scope;
    if (!scope) return [];
    return await Promise.all([...this.#running].map(async ([id, { planned: { plugin } }]) => {
      try {
        return { id, ...await plugin.describe?.(scope) };
      } catch (error) {
        return { id, warnings: [`${id} cannot describe itself: ${messageOf(error)}`] };
      }
    }));
  }

  async #startOne(planned: PlannedPlugin, scope: Scope): Promise<void> {
    const { plugin, settings, optional } = planned;
    const missing = this.#missingProvider(plugin);
    if (missing) return this.#setAside(plugin, "skipped", missing);
    const context = { settings, log: this.#facts.log.child({ plugin: plugin.id }), daemon: this.#facts };
    try {
      const outcome = await within(
        `start of plugin "${plugin.id}"`,
        startDeadlineMs,
        plugin.start?.(context),
      );
      if (outcome && "skip" in outcome) return this.#setAside(plugin, "skipped", (outcome as Skip).skip);
      plugin.daemon?.(this.#ownedBinder(plugin.id, scope), context);
      this.#running.set(plugin.id, { planned, context });
    } catch (error) {
      const failure = new PluginError(plugin.id, "start", error);
      if (!optional) throw failure;
      this.#setAside(plugin, "failed", failure.message);
    }
  }

  #missingProvider(plugin: Plugin): string | undefined {
    for (const absent of this.#absent.values()) {
      const lost = absent.provides?.find(({ key }) => plugin.requires?.some((each) => each.key === key));
      if (lost) {
        return `it needs ${lost.name} from plugin "${absent.id}", which is ${absent.state}: ${absent.reason}`;
      }
    }
    return undefined;
  }

  #setAside(plugin: Plugin, state: "skipped" | "failed", reason: string): void {
    this.#facts.log.warn({ plugin: plugin.id, reason }, `plugin ${state}`);
    this.#running.delete(plugin.id);
    const { id, summary, provides } = plugin;
    this.#absent.set(id, { id, summary, state, reason, provides, routes: routesOf(plugin) });
  }

  #ownedBinder(id: string, scope: Scope): Binder {
    return {
      bind: (target, recipe) => {
        scope.bind(target, recipe);
        this.#ownerOfToken.set(target.key, id);
      },
    };
  }

  /** An optional plugin's object may fail to open, when nobody relies on it. Others stop the boot, named. */
  #tolerate(failed: Token<unknown>, error: unknown): void {
    const id = this.#ownerOfToken.get(failed.key) ?? failed.name;
    const failure = new PluginError(id, "start", error);
    const owner = this.#running.get(id)?.planned;
    if (!owner?.optional || this.#isRelied(owner.plugin)) throw failure;
    this.#setAside(owner.plugin, "failed", failure.message);
  }

  #isRelied(plugin: Plugin): boolean {
    const provided = new Set((plugin.provides ?? []).map(({ key }) => key));
    return [...this.#running.values()].some(({ planned }) =>
      planned.plugin.requires?.some(({ key }) => provided.has(key))
    );
  }
}

const routesOf = (plugin: Plugin) => (plugin.routes ?? []).map(({ method, path }) => ({ method, path }));

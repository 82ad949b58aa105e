/**
 * Dependency injection: typed tokens and scopes of two levels, daemon and job. The only file that imports
 * tsyringe, which wires constructors and owns no lifetimes; lifetimes are the {@link Scope}'s.
 *
 * What tsyringe would let happen and this file does not: a second registration winning silently (refused), an
 * unregistered class being constructed silently (tokens are symbols, never classes), a daemon object keeping a
 * job's values (everything is built in the scope that binds it, before any child exists), and disposal without
 * order or deadline (each scope closes its own objects, newest first, and reports all errors).
 */
import "reflect-metadata";
import { container, type DependencyContainer, inject as tsyringeInject, injectable } from "tsyringe";
import { messageOf } from "../support/errors.ts";
import { Undo } from "../support/undo.ts";

/** The name of something that can be injected, with its type. Compare tokens by identity. */
export interface Token<T> {
  readonly name: string;
  readonly key: symbol;
  /** True for a token made by {@link optional}. */
  readonly optional?: boolean;
  /** Never present; carries the type. */
  readonly type?: T;
}

/**
 * Makes a token. Interfaces and their tokens belong to the consumer: they stand in its `backend.ts`.
 * Tokens with the same name are the same token, so that a plugin from outside the tree needs no import to name one.
 */
export function token<T>(name: string): Token<T> {
  return { name, key: Symbol.for(`berth:${name}`) };
}

/** The same token, injected as undefined when nobody binds it: for what a plugin only `wants`. */
export function optional<T>(wanted: Token<T>): Token<T | undefined> {
  return { name: wanted.name, key: wanted.key, optional: true };
}

/** What a bound object may have: the scope calls these, nobody else. */
export interface Managed {
  /** Called once, in creation order, after every object of the scope was built. What it throws closes the scope. */
  open?(): Promise<void> | void;
  /** Called once, in reverse creation order. Must be safe after a failed or missing `open`. */
  close?(): Promise<void> | void;
  /** How long `close` may take, in milliseconds, asked when it begins; default {@link closeDeadlineMs}. */
  readonly closeDeadlineMs?: number;
}

type Constructor<T> = new (...dependencies: never[]) => T;

/** How a token comes to its object. What a recipe makes belongs to the scope; a `value` is somebody else's to close. */
export type Recipe<T> =
  | Constructor<T>
  | {
    /** A class whose constructor takes the tokens of `inject` in this order: for code without decorators. */
    class: Constructor<T>;
    inject: readonly Token<unknown>[];
  }
  | {
    /** A function that takes the objects behind `inject`, in this order, and returns one that the scope owns. */
    make: (...dependencies: never[]) => T;
    inject?: readonly Token<unknown>[];
  }
  | { value: T };

/** Marks a constructor parameter with the token it takes. Every parameter of a bound class carries one. */
export const inject = (wanted: Token<unknown>): ParameterDecorator =>
  tsyringeInject(wanted.key, { isOptional: wanted.optional === true }) as ParameterDecorator;

/** What a plugin sees of a scope while it declares its bindings. */
export interface Binder {
  /** Says how `target` is made in this scope. Refuses a second recipe for the same token. */
  bind<T>(target: Token<T>, recipe: Recipe<T>): void;
}

/** Time that one object may take to close before it is reported and left behind, in milliseconds. */
export const closeDeadlineMs = 20_000;

/** A set of objects that live and die together. */
export class Scope implements Binder {
  readonly name: string;
  readonly #container: DependencyContainer;
  readonly #bound: Token<unknown>[] = [];
  readonly #created: { token: Token<unknown>; instance: Managed }[] = [];
  readonly #undo: Undo;
  #built = false;

  private constructor(name: string, parent: DependencyContainer) {
    this.name = name;
    this.#container = parent.createChildContainer();
    this.#undo = new Undo(name);
  }

  /** The daemon's scope. */
  static daemon(): Scope {
    return new Scope("daemon", container);
  }

  /** A job's scope: sees what the daemon's scope bound, and adds its own. */
  job(jobId: string): Scope {
    if (!this.#built) throw new Error(`${this.name} scope must be built before a job's scope is made`);
    return new Scope(`job ${jobId}`, this.#container);
  }

  bind<T>(target: Token<T>, recipe: Recipe<T>): void {
    if (this.#built) throw new Error(`${target.name} was bound after the ${this.name} scope was built`);
    if (this.#container.isRegistered(target.key, true)) {
      throw new Error(`${target.name} is bound already; two plugins provide it`);
    }
    let instance: { value: T } | undefined;
    const create = (from: DependencyContainer): T => {
      instance ??= this.#remember(target, make(from, recipe), recipe);
      return instance.value;
    };
    this.#container.register(target.key, { useFactory: create });
    this.#bound.push(target);
  }

  /** Builds every bound object, eagerly, dependencies first. A missing provider is an error that names both sides. */
  build(): void {
    for (const target of this.#bound) {
      try {
        this.#container.resolve(target.key);
      } catch (error) {
        throw new Error(`cannot build ${target.name}: ${messageOf(error)}`, { cause: error });
      }
    }
    this.#built = true;
  }

  /**
   * Builds, then opens every object in creation order. When one fails, those opened are closed and it throws.
   *
   * @param tolerate gets the token of an object that failed to open: returns to go on without it, or throws
   */
  async open(tolerate: (failed: Token<unknown>, error: unknown) => void = refuse): Promise<void> {
    try {
      this.build();
      for (const { token: opening, instance } of this.#created) {
        const deadlineMs = () => instance.closeDeadlineMs ?? closeDeadlineMs;
        this.#undo.add(opening.name, () => instance.close?.(), deadlineMs);
        try {
          await instance.open?.();
        } catch (error) {
          tolerate(opening, error);
        }
      }
    } catch (error) {
      await this.#undo.run().catch(() => {});
      throw error;
    }
  }

  /** The object behind a token, from this scope or the one it is in. */
  get<T>(wanted: Token<T>): T {
    if (!this.has(wanted)) {
      throw new Error(`${wanted.name} is bound neither in ${this.name} nor in the daemon`);
    }
    return this.#container.resolve<T>(wanted.key);
  }

  has(wanted: Token<unknown>): boolean {
    return this.#container.isRegistered(wanted.key, true);
  }

  /** Closes every object, newest first, each with a deadline; idempotent. Throws all failures together. */
  close(): Promise<void> {
    return this.#undo.run();
  }

  #remember<T>(target: Token<T>, value: T, recipe: Recipe<T>): { value: T } {
    // Values are somebody else's: whoever made one closes it.
    const owned = !("value" in recipe) && typeof value === "object" && value !== null;
    if (owned) this.#created.push({ token: target, instance: value as Managed });
    return { value };
  }
}

const refuse = (_: unknown, error: unknown) => {
  throw error;
};

function make<T>(from: DependencyContainer, recipe: Recipe<T>): T {
  if (typeof recipe === "function") {
    refuseUnmarkedParameters(recipe);
    injectable()(recipe as unknown as new (...all: unknown[]) => T);
    return from.resolve(recipe as unknown as new (...all: unknown[]) => T);
  }
  if ("value" in recipe) return recipe.value;
  const dependencies = (recipe.inject ?? []).map((wanted) => resolve(from, wanted)) as never[];
  return "make" in recipe ? recipe.make(...dependencies) : new recipe.class(...dependencies);
}

function resolve<T>(from: DependencyContainer, { key, optional }: Token<T>): T | undefined {
  return optional && !from.isRegistered(key, true) ? undefined : from.resolve<T>(key);
}

/** tsyringe passes undefined for a parameter without a token when another one has one. */
function refuseUnmarkedParameters(target: Constructor<unknown>): void {
  const marked = Object.keys(Reflect.getOwnMetadata("injectionTokens", target) ?? {}).length;
  if (marked < target.length) {
    throw new Error(
      `${target.name} takes ${target.length} parameters, ${marked} of them marked with @inject`,
    );
  }
}

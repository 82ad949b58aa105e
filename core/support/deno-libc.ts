/**
 * The C library through Deno's foreign function interface, as far as pipes and sockets need it. The types are declared here, so
 * that both `tsc` with Node's types and `deno check` accept the file; on Node nothing of it is ever called.
 */
type NativeType = "i32" | "u32" | "isize" | "usize" | "buffer";
type Native = { parameters: readonly NativeType[]; result: NativeType; nonblocking?: boolean };

interface DenoRuntime {
  readonly build: { readonly arch: string };
  readonly version: { readonly deno: string };
  dlopen(path: string, symbols: Record<string, Native>): { symbols: unknown };
}

/** Deno's global object; undefined on Node. */
export const deno = (globalThis as { Deno?: DenoRuntime }).Deno;

/** Calls answer -1 for failure. `open` and `fcntl` are variadic in C; with integers the calling convention is the same. */
export interface LibC {
  open(path: Uint8Array, flags: number, mode: number): number;
  close(descriptor: number): number;
  read(descriptor: number, buffer: Uint8Array, length: bigint): number | bigint;
  write(descriptor: number, buffer: Uint8Array, length: bigint): number | bigint;
  mkfifo(path: Uint8Array, mode: number): number;
  fcntl(descriptor: number, command: number, value: number): number;
  eventfd(initial: number, flags: number): number;
  epoll_create1(flags: number): number;
  epoll_ctl(poll: number, operation: number, descriptor: number, event: Uint8Array): number;
  /** Blocks one thread of the runtime's pool, not the event loop. */
  epoll_wait(poll: number, events: Uint8Array, capacity: number, timeoutMs: number): Promise<number>;
}

const symbols: Record<keyof LibC, Native> = {
  open: { parameters: ["buffer", "i32", "i32"], result: "i32" },
  close: { parameters: ["i32"], result: "i32" },
  read: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  write: { parameters: ["i32", "buffer", "usize"], result: "isize" },
  mkfifo: { parameters: ["buffer", "u32"], result: "i32" },
  fcntl: { parameters: ["i32", "i32", "i32"], result: "i32" },
  eventfd: { parameters: ["u32", "i32"], result: "i32" },
  epoll_create1: { parameters: ["i32"], result: "i32" },
  epoll_ctl: { parameters: ["i32", "i32", "i32", "buffer"], result: "i32" },
  epoll_wait: { parameters: ["i32", "buffer", "i32", "i32"], result: "i32", nonblocking: true },
};

let library: LibC | undefined;

/** Loads the C library on first use. */
export function libc(): LibC {
  if (!deno) throw new Error("the C library is reached through Deno only");
  library ??= deno.dlopen("libc.so.6", symbols).symbols as LibC;
  return library;
}

/** A NUL-terminated path for C. */
export const cString = (text: string): Uint8Array => new TextEncoder().encode(`${text}\0`);

const setDescriptorFlags = 2;
const closeOnExec = 1;

/** Closes a descriptor in every process that is started from now on. */
export function keepFromChildren(descriptor: number): void {
  if (libc().fcntl(descriptor, setDescriptorFlags, closeOnExec) >= 0) return;
  throw new Error(`descriptor ${descriptor} cannot be kept from child processes`);
}

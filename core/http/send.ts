import type { Socket } from "node:net";
import type { Duplex, Writable } from "node:stream";
import { ClientGone } from "./client-gone.ts";

/** Waits until a stream takes more. Rejects when it closes first, or with the signal's reason. */
export function drained(stream: Writable, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    if (stream.destroyed) return reject(new ClientGone());
    const settle = (act: () => void) => {
      stream.off("drain", onDrain);
      stream.off("close", onClose);
      signal?.removeEventListener("abort", onAbort);
      act();
    };
    const onDrain = () => settle(resolve);
    const onClose = () => settle(() => reject(new ClientGone()));
    const onAbort = () => settle(() => reject(signal?.reason));
    stream.once("drain", onDrain);
    stream.once("close", onClose);
    signal?.addEventListener("abort", onAbort, { once: true });
  });
}

/** Writes to a stream; resolves when it takes more. Rejects when it is closed, or with the signal's reason. */
export async function send(stream: Writable, chunk: Uint8Array, signal: AbortSignal): Promise<void> {
  if (stream.destroyed || stream.writableEnded) throw new ClientGone();
  if (!stream.write(chunk)) await drained(stream, signal);
}

/** Ends a connection without the end of its response, after what was written so far has left. */
export function cut(connection: Duplex | null): void {
  // Every connection here is a net.Socket; node:http types those of upgrades as less.
  (connection as Socket | null)?.destroySoon();
}

import type { ClientRequest } from "node:http";

/** A request's body that is not at hand as a whole. It is opened anew whenever the request is sent again. */
export interface StreamedBody {
  /** Undefined when nobody knows it yet; the body then goes out in HTTP's own chunks. */
  readonly sizeBytes?: number;
  open(): AsyncIterable<Uint8Array>;
}

/** What the sender of a body tells while it waits. */
export interface SendingListener {
  /** The other side does not take more for the moment. */
  onStalled(): void;
  /** It does again, or nothing is there to send: whoever delivers the chunks is being waited for. */
  onGoing(): void;
}

/**
 * Writes a request's body as fast as the other side takes it, and ends it. Stops early when the answer is there
 * before the body went out, or the request broke: false then.
 */
export async function sendBody(
  request: ClientRequest,
  chunks: AsyncIterable<Uint8Array>,
  listener: SendingListener,
): Promise<boolean> {
  let over = false;
  let wake = () => {};
  const onOver = () => {
    over = true;
    wake();
  };
  const onDrain = () => wake();
  request.on("drain", onDrain).once("response", onOver).once("close", onOver);
  try {
    for await (const chunk of chunks) {
      if (over) return false;
      if (request.write(chunk)) continue;
      listener.onStalled();
      await new Promise<void>((resolve) => over ? resolve() : wake = resolve);
      listener.onGoing();
    }
    if (over) return false;
    request.end();
    return true;
  } finally {
    request.off("drain", onDrain).off("response", onOver).off("close", onOver);
  }
}

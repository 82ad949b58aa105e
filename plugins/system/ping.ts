import { empty, type Reply, text } from "../../core/kernel/reply.ts";

/**
 * Builder-Version 1 sends the docker CLI to the classic builder: BuildKit is not served. The others as Docker
 * Engine 28.5 answers them.
 */
const headers = {
  "Builder-Version": "1",
  "Swarm": "inactive",
  "Cache-Control": "no-cache, no-store, must-revalidate",
  "Pragma": "no-cache",
};

const pong = text("OK", 200, headers);
const silentPong = empty(200, { ...headers, "Content-Type": "text/plain; charset=utf-8" });

/** `GET` and `HEAD /_ping`: how clients find out whether the socket answers, and which version to speak. */
export class Ping {
  get(): Reply {
    return pong;
  }

  head(): Reply {
    return silentPong;
  }
}

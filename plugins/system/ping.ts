import { empty, type Reply, text } from "../../core/kernel/reply.ts";

/**
 * Builder-Version 1 sends the docker CLI to the classic builder: BuildKit is not served. The others as Docker
 * Engine 28.5 answers them.
 */
const headers = {
  "builder-version": "1",
  "docker-experimental": "false",
  "swarm": "inactive",
  "cache-control": "no-cache, no-store, must-revalidate",
  "pragma": "no-cache",
};

const pong = text("OK", 200, headers);
const silentPong = empty(200, { ...headers, "content-type": "text/plain; charset=utf-8" });

/** `GET` and `HEAD /_ping`: how clients find out whether the socket answers, and which version to speak. */
export class Ping {
  get(): Reply {
    return pong;
  }

  head(): Reply {
    return silentPong;
  }
}

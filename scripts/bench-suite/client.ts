/** What the benchmark sends: plain HTTP over a Unix socket, connections kept alive. */
import { Agent, request } from "node:http";
import { connect, type Socket } from "node:net";

/** One engine's socket. */
export class EngineClient {
  readonly socketPath: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 });

  constructor(socketPath: string) {
    this.socketPath = socketPath;
  }

  /** Sends a request, JSON or bytes, and demands a status below 400. Returns the body's size and, unless discarded, text. */
  call(
    method: string,
    path: string,
    body?: unknown,
    { discard = false, headers: more = {} }: { discard?: boolean; headers?: Record<string, string> } = {},
  ): Promise<{ text: string; sizeBytes: number }> {
    const bytes = body === undefined || body instanceof Uint8Array ? body : Buffer.from(JSON.stringify(body));
    const type = bytes === body ? "application/x-tar" : "application/json";
    const headers = {
      Host: "docker",
      "Content-Length": bytes?.length ?? 0,
      ...(bytes && { "Content-Type": type }),
      ...more,
    };
    return new Promise((resolve, reject) => {
      const sent = request(
        { socketPath: this.socketPath, method, path, headers, agent: this.#agent },
        (response) => {
          const status = response.statusCode!;
          const keep = !discard || status >= 400;
          const chunks: Buffer[] = [];
          let sizeBytes = 0;
          response.on("data", (chunk: Buffer) => {
            sizeBytes += chunk.length;
            if (keep) chunks.push(chunk);
          });
          response.on("error", reject);
          response.on("end", () => {
            const text = Buffer.concat(chunks).toString();
            if (status < 400) resolve({ text, sizeBytes });
            else reject(new Error(`${method} ${path} answered ${status}: ${text.slice(0, 200)}`));
          });
        },
      );
      sent.on("error", reject);
      sent.end(bytes);
    });
  }

  /** Pushes an image as somebody who is logged in nowhere. */
  push(name: string, tag: string): Promise<{ text: string }> {
    const headers = { "X-Registry-Auth": btoa("{}") };
    return this.call("POST", `/images/${name}/push?tag=${tag}`, undefined, { headers });
  }

  async json<T>(method: string, path: string, body?: unknown): Promise<T> {
    return JSON.parse((await this.call(method, path, body)).text);
  }

  /** Upgrades a connection as `docker attach` does; resolves with the raw socket behind the header. */
  hijack(path: string): Promise<Socket> {
    return new Promise((resolve, reject) => {
      const socket = connect(this.socketPath).once("error", reject);
      socket.write(
        `POST ${path} HTTP/1.1\r\nHost: docker\r\nConnection: Upgrade\r\nUpgrade: tcp\r\nContent-Length: 0\r\n\r\n`,
      );
      socket.once("data", (head: Buffer) => {
        if (!/^HTTP\/1\.1 (101|200) /.test(head.toString("latin1"))) reject(new Error(`attach: ${head}`));
        else resolve(socket);
      });
    });
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** One request outstanding on each of some connections, for a time: how many answers, and how long each took. */
export async function load(
  socketPath: string,
  path: string,
  { connections, durationMs }: { connections: number; durationMs: number },
): Promise<{ perSecond: number; latenciesMs: number[] }> {
  const latenciesMs: number[] = [];
  const until = performance.now() + durationMs;
  await Promise.all(Array.from({ length: connections }, () => drive(socketPath, path, until, latenciesMs)));
  return { perSecond: latenciesMs.length / durationMs * 1000, latenciesMs };
}

function drive(socketPath: string, path: string, until: number, latenciesMs: number[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect(socketPath).setEncoding("latin1").once("error", reject);
    let [sentAt, got] = [0, ""];
    const send = () => {
      sentAt = performance.now();
      got = "";
      socket.write(`GET ${path} HTTP/1.1\r\nHost: docker\r\n\r\n`);
    };
    socket.once("connect", send);
    socket.once("close", () => resolve());
    socket.on("data", (chunk: string) => {
      got += chunk;
      if (!isWhole(got)) return;
      latenciesMs.push(performance.now() - sentAt);
      if (performance.now() < until) send();
      else socket.destroy();
    });
  });
}

function isWhole(answer: string): boolean {
  const headEnd = answer.indexOf("\r\n\r\n");
  if (headEnd < 0) return false;
  const length = /content-length: *(\d+)/i.exec(answer.slice(0, headEnd));
  return length ? answer.length >= headEnd + 4 + Number(length[1]) : answer.endsWith("0\r\n\r\n");
}

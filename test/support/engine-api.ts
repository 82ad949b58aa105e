/** A tiny HTTP client for one Docker socket: what the tests send is what they say, nothing negotiated. */
import { Agent, type IncomingMessage, request } from "node:http";
import { connect, type Socket } from "node:net";

/** A whole answer. */
export interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
  readonly text: string;
  /** The body as JSON. */
  // deno-lint-ignore no-explicit-any -- answers are poked at, field by field
  readonly json: any;
}

export interface CallOptions {
  /** Sent as JSON, or as it is when it is bytes. */
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly agent?: Agent;
  readonly signal?: AbortSignal;
}

/** Sends one request and waits for the whole answer, whatever its status. */
export async function call(
  socketPath: string,
  method: string,
  path: string,
  options: CallOptions = {},
): Promise<Answer> {
  const response = await open(socketPath, method, path, options);
  const chunks: Buffer[] = [];
  for await (const chunk of response) chunks.push(chunk as Buffer);
  const body = Buffer.concat(chunks);
  return {
    status: response.statusCode!,
    headers: response.headers,
    body,
    text: body.toString(),
    get json() {
      return JSON.parse(body.toString());
    },
  };
}

/** As {@link call}, and demands one of these statuses. */
export async function must(
  expected: number | readonly number[],
  socketPath: string,
  method: string,
  path: string,
  options: CallOptions = {},
): Promise<Answer> {
  const answer = await call(socketPath, method, path, options);
  if ([expected].flat().includes(answer.status)) return answer;
  throw new Error(
    `${method} ${path} answered ${answer.status} instead of ${expected}: ${answer.text.slice(0, 300)}`,
  );
}

/** Sends one request and returns when the headers of the answer are there; the body is read by whoever called. */
export function open(
  socketPath: string,
  method: string,
  path: string,
  { body, headers = {}, agent, signal }: CallOptions = {},
): Promise<IncomingMessage> {
  const bytes = body === undefined || body instanceof Uint8Array ? body : Buffer.from(JSON.stringify(body));
  const length = { "Content-Length": String(bytes?.length ?? 0) };
  const type = bytes && bytes !== body ? { "Content-Type": "application/json" } : {};
  return new Promise((resolve, reject) => {
    const sent = request({
      socketPath,
      method,
      path,
      agent: agent ?? false,
      signal,
      headers: { Host: "docker", ...length, ...type, ...headers },
    }, resolve);
    sent.on("error", reject);
    sent.end(bytes);
  });
}

/** Connects to a socket and waits until it is connected. */
export function connected(socketPath: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ path: socketPath, allowHalfOpen: true });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      socket.on("error", () => {});
      resolve(socket);
    });
  });
}

/** Sends text as it is and collects what comes until the server closes, or a deadline passes. */
export async function exchange(socketPath: string, text: string, timeoutMs = 10_000): Promise<string> {
  const socket = await connected(socketPath);
  let got = "";
  socket.setEncoding("latin1").on("data", (chunk: string) => got += chunk);
  socket.write(text);
  return new Promise((resolve) => {
    const timer = setTimeout(() => socket.destroy(), timeoutMs);
    socket.once("end", () => socket.destroy());
    socket.once("close", () => {
      clearTimeout(timer);
      resolve(got);
    });
  });
}

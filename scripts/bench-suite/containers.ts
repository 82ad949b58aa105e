import type { EngineClient } from "./client.ts";
import { imageName } from "./engine.ts";

/** What the measurements do with containers, over the API. */
export async function create(client: EngineClient, command: string[], more: object = {}): Promise<string> {
  const body = { Image: imageName, Cmd: command, ...more };
  return (await client.json<{ Id: string }>("POST", "/v1.43/containers/create", body)).Id;
}

export const start = (client: EngineClient, id: string) =>
  client.call("POST", `/v1.43/containers/${id}/start`);

export const wait = (client: EngineClient, id: string) => client.call("POST", `/v1.43/containers/${id}/wait`);

export const remove = (client: EngineClient, id: string) =>
  client.call("DELETE", `/v1.43/containers/${id}?force=true`);

/** Some containers at a time, each from create to remove, as fast as they go. */
export async function lifecycles(client: EngineClient, count: number, atOnce: number): Promise<void> {
  let left = count;
  const worker = async () => {
    while (left-- > 0) {
      const id = await create(client, ["true"]);
      await start(client, id);
      await wait(client, id);
      await remove(client, id);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, worker));
}

/** Milliseconds that some work took. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now();
  await work();
  return performance.now() - startedAt;
}

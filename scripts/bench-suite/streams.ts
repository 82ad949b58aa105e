/** Bulk output: printing, reading logs, attach. */
import type { Socket } from "node:net";
import { create, remove, start, timed, wait } from "./containers.ts";
import type { Engine } from "./engine.ts";
import type { Measurement, Series } from "./measure.ts";

const sizeBytes = 100e6;
const line = "0123456789".repeat(8).slice(0, 79);
const printing = ["sh", "-c", `yes ${line} | head -c ${sizeBytes}`];

const rate = (name: string): Series => ({ name, unit: "MB/s", better: "higher" });

export function streamMeasurements(quick: boolean): Measurement[] {
  return [printingMeasurement(quick), attachMeasurement(quick)];
}

function printingMeasurement(quick: boolean): Measurement {
  return {
    series: [rate("container prints 100 MB"), rate("logs of 100 MB")],
    rounds: quick ? 1 : 3,
    sample: async ({ client }) => {
      const id = await create(client, printing);
      try {
        const printed = await timed(async () => {
          await start(client, id);
          await wait(client, id);
        });
        const path = `/v1.43/containers/${id}/logs?stdout=1&stderr=1`;
        const read = await timed(async () => {
          const { sizeBytes: got } = await client.call("GET", path, undefined, { discard: true });
          if (got < sizeBytes) throw new Error(`logs ended after ${got} bytes`);
        });
        return [printed, read].map((time) => [sizeBytes / 1000 / time]);
      } finally {
        await remove(client, id);
      }
    },
  };
}

function attachMeasurement(quick: boolean): Measurement {
  const total = quick ? 16 << 20 : 64 << 20;
  return {
    series: [rate("attach, stdin → cat → stdout")],
    rounds: quick ? 1 : 3,
    sample: async (engine) => [[total / 1000 / await attachedCat(engine, total)]],
  };
}

/** Sends bytes through an attached `cat` and counts them coming back; returns milliseconds. */
async function attachedCat({ client }: Engine, total: number): Promise<number> {
  const more = { OpenStdin: true, StdinOnce: true, AttachStdin: true, AttachStdout: true };
  const id = await create(client, ["cat"], more);
  const socket = await client.hijack(`/v1.43/containers/${id}/attach?stream=1&stdin=1&stdout=1`);
  try {
    await start(client, id);
    return await timed(() => Promise.all([sendAll(socket, total), receiveAll(socket, total)]));
  } finally {
    socket.destroy();
    await remove(client, id);
  }
}

async function sendAll(socket: Socket, total: number): Promise<void> {
  const chunk = Buffer.alloc(65536, `${line}\n`);
  for (let sent = 0; sent < total; sent += chunk.length) {
    if (!socket.write(chunk)) await new Promise((resolve) => socket.once("drain", resolve));
  }
}

/** Counts payload bytes behind the 8-byte frame headers. */
function receiveAll(socket: Socket, total: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const header = Buffer.alloc(8);
    let [payload, inFrame, inHeader] = [0, 0, 0];
    const take = (data: Buffer) => {
      for (let at = 0; at < data.length;) {
        if (inFrame === 0) {
          header[inHeader++] = data[at++]!;
          if (inHeader < 8) continue;
          [inHeader, inFrame] = [0, header.readUInt32BE(4)];
        }
        const step = Math.min(inFrame, data.length - at);
        [inFrame, payload, at] = [inFrame - step, payload + step, at + step];
      }
      if (payload >= total) resolve();
    };
    socket.on("data", take);
    socket.once("close", () => reject(new Error(`attach ended after ${payload} bytes`)));
  });
}

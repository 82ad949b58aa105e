import { accessSync, constants } from "node:fs";
import { delimiter, isAbsolute, join } from "node:path";
import { messageOf } from "../../core/support/errors.ts";
import { ContainerdConnection } from "./connection.ts";
import type { Settings } from "./settings.ts";

const answerDeadlineMs = 5_000;

/** Why this host cannot run the engine, and what to install; undefined when it can. */
export function reasonToSkip(settings: Settings): string | undefined {
  if (process.getuid?.() !== 0) return "running containers needs root; start berth as root";
  if (settings.address === undefined && !findExecutable(settings.binary)) {
    return `${settings.binary} is not installed; install the Debian package containerd`;
  }
  if (!findExecutable(settings.runc)) {
    return `${settings.runc} is not installed; install the Debian package runc`;
  }
  return undefined;
}

/** Throws when no containerd answers at an address that the settings name. */
export async function checkAnswers(address: string): Promise<void> {
  const connection = new ContainerdConnection({ address, namespace: "berth" });
  try {
    await connection.version.version({}, { timeoutMs: answerDeadlineMs });
  } catch (error) {
    throw new Error(
      `no containerd answers at ${address}; start it, or leave address out for a private one: ${
        messageOf(error)
      }`,
    );
  } finally {
    connection.close();
  }
}

/** Where a program is: itself when it is a path, else the first of its name on the PATH. */
export function findExecutable(name: string, searchPath = process.env.PATH ?? ""): string | undefined {
  const candidates = isAbsolute(name)
    ? [name]
    : [...searchPath.split(delimiter), "/usr/sbin", "/sbin"].filter(Boolean).map((folder) =>
      join(folder, name)
    );
  return candidates.find(isExecutable);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

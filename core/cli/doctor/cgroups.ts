import { readFile } from "node:fs/promises";
import type { Finding } from "./check.ts";

/** Controllers that limits and statistics read and write. */
const wanted = ["cpu", "memory", "pids"];

/** Tells version 1, hybrid and version 2 apart, and whether the controllers are there. Source: cgroups(7). */
export async function lookAtCgroups(): Promise<Finding> {
  const mounts = await cgroupMounts();
  const [one, two] = [
    mounts.filter(({ type }) => type === "cgroup"),
    mounts.find(({ type }) => type === "cgroup2"),
  ];
  if (one.length === 0 && !two) return { ok: false, detail: "no cgroup file system is mounted" };
  const layout = one.length === 0 ? "version 2" : two ? "version 1, hybrid" : "version 1";
  const controllers = one.length === 0
    ? (await readFile(`${two!.path}/cgroup.controllers`, "utf8")).trim().split(/\s+/)
    : one.flatMap(({ options }) => options);
  const missing = wanted.filter((each) => !controllers.includes(each));
  const detail = missing.length > 0 ? `${layout}, without ${missing.join(", ")}` : layout;
  return { ok: missing.length === 0, detail };
}

async function cgroupMounts() {
  const lines = (await readFile("/proc/self/mounts", "utf8")).trim().split("\n");
  return lines.map((line) => {
    const [, path = "", type = "", options = ""] = line.split(" ");
    return { path, type, options: options.split(",") };
  });
}

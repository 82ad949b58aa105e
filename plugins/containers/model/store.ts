import { mkdir, readdir, rm, unlink } from "node:fs/promises";
import { join } from "node:path";
import { readJson, writeAtomically } from "../../../core/support/atomic-file.ts";
import type { ContainerRecord } from "./record.ts";

const recordName = "container.json";

/** The containers of a job on disk: a directory for each, with its record and its log. */
export class ContainerStore {
  readonly #dir: string;

  /** @param jobDir the job's state directory */
  constructor(jobDir: string) {
    this.#dir = join(jobDir, "containers");
  }

  /** Makes the place for a container. One call of the file system but for the job's first. */
  async make(id: string): Promise<void> {
    await mkdir(join(this.#dir, id), { recursive: true, mode: 0o700 });
  }

  logPath(id: string): string {
    return join(this.#dir, id, "log");
  }

  async save(record: ContainerRecord): Promise<void> {
    await writeAtomically(join(this.#dir, record.facts.id, recordName), JSON.stringify(record));
  }

  /** The container exists no more from here on; its directory may still. */
  async forget(id: string): Promise<void> {
    try {
      await unlink(join(this.#dir, id, recordName));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }

  async removeDir(id: string): Promise<void> {
    await rm(join(this.#dir, id), { recursive: true, force: true });
  }

  /** Every recorded container; what a removal left half done is cleared away. */
  async load(): Promise<ContainerRecord[]> {
    const records: ContainerRecord[] = [];
    for (const id of await this.#ids()) {
      const record = await readJson<ContainerRecord>(join(this.#dir, id, recordName));
      if (record) records.push(record);
      else await this.removeDir(id);
    }
    return records;
  }

  async #ids(): Promise<string[]> {
    try {
      return await readdir(this.#dir);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
      throw error;
    }
  }
}

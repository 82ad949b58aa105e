import { inject } from "../../core/kernel/scope.ts";
import type { ImageLookup, ImageUsers } from "../containers/backend.ts";
import type { ImageCounts } from "../system/backend.ts";
import type { StoredImage } from "./backend.ts";
import { type ImageTable, ImageTableToken } from "./image-table.ts";

/** The part of the image table that the containers area sees. */
export class TableLookup implements ImageLookup {
  readonly #table: ImageTable;

  constructor(@inject(ImageTableToken) table: ImageTable) {
    this.#table = table;
  }

  find(name: string): StoredImage {
    return this.#table.find(name);
  }

  referencesTo(imageId: string): readonly string[] {
    return this.#table.referencesTo(imageId);
  }

  askForUsers(users: ImageUsers): void {
    this.#table.askForUsers(users);
  }
}

/** The part of the image table that the system area sees. */
export class TableCounts implements ImageCounts {
  readonly #table: ImageTable;

  constructor(@inject(ImageTableToken) table: ImageTable) {
    this.#table = table;
  }

  imageCount(): number {
    return this.#table.list().length;
  }
}

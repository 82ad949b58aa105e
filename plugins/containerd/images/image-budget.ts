import type { Settings } from "../settings.ts";
import { checkUse, type DiskUse, type UseLimit } from "./usage-watch.ts";

/** What one image may take on disk, and how much of that its layers took so far. */
export class ImageBudget {
  readonly #settings: Settings;
  #usedBytes = 0;
  #usedFiles = 0;

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  /** What the next layer may take: what one layer may, or what the image has left. */
  forLayer(): UseLimit {
    const { maxLayerBytes, maxLayerFiles, maxImageBytes, maxImageFiles } = this.#settings;
    const [bytesLeft, filesLeft] = [maxImageBytes - this.#usedBytes, maxImageFiles - this.#usedFiles];
    const [isBytesLeft, isFilesLeft] = [bytesLeft < maxLayerBytes, filesLeft < maxLayerFiles];
    return {
      sizeBytes: isBytesLeft ? bytesLeft : maxLayerBytes,
      bytesSetting: isBytesLeft ? `what maxImageBytes, ${maxImageBytes}, leaves` : "maxLayerBytes",
      files: isFilesLeft ? filesLeft : maxLayerFiles,
      filesSetting: isFilesLeft ? `what maxImageFiles, ${maxImageFiles}, leaves` : "maxLayerFiles",
    };
  }

  /** Counts a layer that is unpacked, by whomever. Throws `invalid` when the image is too large with it. */
  add({ sizeBytes, files }: DiskUse): void {
    this.#usedBytes += sizeBytes;
    this.#usedFiles += files;
    const { maxImageBytes, maxImageFiles } = this.#settings;
    checkUse("an image", { sizeBytes: this.#usedBytes, files: this.#usedFiles }, {
      sizeBytes: maxImageBytes,
      bytesSetting: "maxImageBytes",
      files: maxImageFiles,
      filesSetting: "maxImageFiles",
    });
  }
}

import { invalid } from "../../../core/support/errors.ts";
import type { ImageSource } from "../../images/backend.ts";
import type { Settings } from "../settings.ts";
import { checkIndex } from "./check-index.ts";
import { checkManifest } from "./check-manifest.ts";

/** Layers that containerd unpacks: tar, plain or compressed, of Docker's and OCI's names. */
const layerTypes = new Set([
  "application/vnd.docker.image.rootfs.diff.tar",
  "application/vnd.docker.image.rootfs.diff.tar.gzip",
  "application/vnd.docker.image.rootfs.diff.tar.zstd",
  "application/vnd.oci.image.layer.v1.tar",
  "application/vnd.oci.image.layer.v1.tar+gzip",
  "application/vnd.oci.image.layer.v1.tar+zstd",
]);

/** Throws `invalid` for what can be seen to be wrong with an image before anything of it is fetched. */
export function checkSource(source: ImageSource, settings: Settings): void {
  checkManifest(source);
  checkIndex(source, settings);
  const { config, layers } = source;
  if (config.sizeBytes > settings.maxConfigBytes) {
    throw invalid(
      `image configuration ${config.digest} has ${config.sizeBytes} bytes, and maxConfigBytes is ${settings.maxConfigBytes}`,
    );
  }
  if (layers.length > settings.maxLayers) {
    throw invalid(`image has ${layers.length} layers, and maxLayers is ${settings.maxLayers}`);
  }
  const claimed = layers.reduce((sum, layer) => sum + layer.sizeBytes, 0);
  if (claimed > settings.maxImageBytes) {
    throw invalid(
      `image has layers of ${claimed} bytes together, and maxImageBytes is ${settings.maxImageBytes}`,
    );
  }
  for (const { mediaType, digest } of layers) {
    if (!layerTypes.has(mediaType)) {
      throw invalid(`layer ${digest} has the media type "${mediaType}", which cannot be unpacked`);
    }
  }
}

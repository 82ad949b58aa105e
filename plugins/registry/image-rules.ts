/** What a manifest must be for its image to be fetched. Nothing of it was fetched yet when this is asked. */
import { invalid } from "../../core/support/errors.ts";
import type { Descriptor } from "../images/backend.ts";
import type { ParsedManifest } from "./manifest.ts";

/** More layers than overlay file systems can stack. */
const mostLayers = 500;

const configTypes = [
  "application/vnd.oci.image.config.v1+json",
  "application/vnd.docker.container.image.v1+json",
];

/** Layers that lie outside the registry, at addresses that the manifest gives. Source: OCI image spec, "Layers". */
const foreignTypes = [
  "application/vnd.docker.image.rootfs.foreign.diff.tar",
  "application/vnd.oci.image.layer.nondistributable.v1.tar",
];

/** A manifest of an image, no index. */
export type ParsedImage = Extract<ParsedManifest, { kind: "manifest" }>;

/** Throws `invalid` for what is no image, and for layers that the registry does not have. */
export function checkImage({ config, layers }: ParsedImage): void {
  // Docker's words for a Helm chart and the like.
  if (!configTypes.includes(config.mediaType)) throw invalid(`unsupported media type ${shown(config)}`);
  if (layers.length > mostLayers) {
    throw invalid(`manifest has ${layers.length} layers; at most ${mostLayers}`);
  }
  for (const layer of layers) {
    // `urls` of other layers are not read: the registry has their bytes.
    if (foreignTypes.some((type) => layer.mediaType.startsWith(type))) {
      throw invalid(
        `layer ${layer.digest} is ${
          shown(layer)
        }: its bytes lie outside the registry, and are not fetched from there`,
      );
    }
  }
}

/** Throws `invalid` for more bytes than the setting allows, before the first of them is fetched. */
export function checkSizes(manifests: readonly ParsedImage[], limitBytes: number): void {
  const sizes = manifests.flatMap(({ config, layers }) =>
    [config, ...layers].map(({ sizeBytes }) => sizeBytes)
  );
  const total = sizes.reduce((sum, size) => sum + size, 0);
  if (total <= limitBytes) return;
  throw invalid(
    `image has ${total} bytes as its manifest tells; plugins.registry.imageLimitBytes allows ${limitBytes}`,
  );
}

const shown = ({ mediaType }: Descriptor) => mediaType.replace(/[^\x20-\x7e]/g, "?");

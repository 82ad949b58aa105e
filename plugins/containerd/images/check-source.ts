import { createHash } from "node:crypto";
import { invalid } from "../../../core/support/errors.ts";
import type { Descriptor, ImageSource } from "../../images/backend.ts";
import type { Settings } from "../settings.ts";
import { isDigest } from "./image-config.ts";

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
  const { manifest, config, layers } = source;
  [manifest, config, ...layers].forEach(checkDescriptor);
  const digest = `sha256:${createHash("sha256").update(manifest.bytes).digest("hex")}`;
  if (digest !== manifest.digest || manifest.bytes.length !== manifest.sizeBytes) {
    throw invalid(`manifest ${manifest.digest} has other bytes than its digest says`);
  }
  checkReferences(source);
  if (config.sizeBytes > settings.maxConfigBytes) {
    throw invalid(
      `image configuration ${config.digest} has ${config.sizeBytes} bytes, and maxConfigBytes is ${settings.maxConfigBytes}`,
    );
  }
  if (layers.length > settings.maxLayers) {
    throw invalid(`image has ${layers.length} layers, and maxLayers is ${settings.maxLayers}`);
  }
  for (const { mediaType, digest } of layers) {
    if (!layerTypes.has(mediaType)) {
      throw invalid(`layer ${digest} has the media type "${mediaType}", which cannot be unpacked`);
    }
  }
}

function checkDescriptor({ digest, sizeBytes }: Descriptor): void {
  if (!isDigest(digest)) throw invalid(`"${digest}" is no sha256 digest`);
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) {
    throw invalid(`${digest} has an impossible size: ${sizeBytes}`);
  }
}

/**
 * What is known of a manifest is known by its digest: that an origin has the whole image, for one. So the
 * digest must stand for this configuration and these layers and no others.
 */
function checkReferences({ manifest, config, layers }: ImageSource): void {
  let body: { config?: Partial<Descriptor>; layers?: Partial<Descriptor>[] };
  try {
    body = JSON.parse(new TextDecoder().decode(manifest.bytes)) ?? {};
  } catch (error) {
    throw invalid(`manifest ${manifest.digest} is not JSON`, error);
  }
  const said = [
    body.config?.digest,
    ...(Array.isArray(body.layers) ? body.layers : []).map((layer) => layer?.digest),
  ];
  const meant = [config.digest, ...layers.map((layer) => layer.digest)];
  if (said.length !== meant.length || said.some((digest, index) => digest !== meant[index])) {
    throw invalid(
      `manifest ${manifest.digest} names another configuration or other layers than the image has`,
    );
  }
}

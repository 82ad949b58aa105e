/** Compressions by the bytes that files of them start with. */

const startsWith = (bytes: Uint8Array, magic: readonly number[]) =>
  magic.every((byte, at) => bytes[at] === byte);

export const isGzip = (start: Uint8Array): boolean => startsWith(start, [0x1f, 0x8b, 0x08]);
/** A frame, or one that is to be skipped. Source: RFC 8878. */
export const isZstd = (start: Uint8Array): boolean =>
  startsWith(start, [0x28, 0xb5, 0x2f, 0xfd]) ||
  ((start[0] ?? 0) & 0xf0) === 0x50 && startsWith(start.subarray(1), [0x2a, 0x4d, 0x18]);
export const isBzip2 = (start: Uint8Array): boolean => startsWith(start, [0x42, 0x5a, 0x68]);
export const isXz = (start: Uint8Array): boolean => startsWith(start, [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]);

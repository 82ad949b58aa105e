/** Seconds since 1970; 0 for an image that does not say. */
export function createdSeconds(created: string | undefined): number {
  const at = createdMs(created);
  return at === undefined ? 0 : Math.floor(at / 1000);
}

/** Milliseconds since 1970; undefined for an image that does not say. */
export function createdMs(created: string | undefined): number | undefined {
  const at = Date.parse(created ?? "");
  return Number.isNaN(at) ? undefined : at;
}

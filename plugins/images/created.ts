/** Seconds since 1970; 0 for an image that does not say. */
export function createdSeconds(created: string | undefined): number {
  const at = Date.parse(created ?? "");
  return Number.isNaN(at) ? 0 : Math.floor(at / 1000);
}

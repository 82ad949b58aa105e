/** What an archive may have of anything that is kept in memory. */

/** An archive with more images is refused. */
export const mostImages = 1_000;

/** Metadata files larger than this are refused, in bytes. */
export const metadataLimitBytes = 4 * 1024 * 1024;

/** An archive with more entries is refused. */
export const mostEntries = 20_000;

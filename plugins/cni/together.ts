/** Waits for all of them to end, also after one failed, then fails as the first of them did. Nothing runs on after it. */
export async function together<T extends readonly unknown[]>(
  work: readonly [...{ [K in keyof T]: Promise<T[K]> }],
): Promise<T> {
  await Promise.allSettled(work);
  return await Promise.all(work) as unknown as T;
}

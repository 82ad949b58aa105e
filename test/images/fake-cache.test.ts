import { imageCacheContract } from "../contract/image-cache.ts";
import { FakeCache } from "./fake-cache.ts";

imageCacheContract("fake cache", async () => {
  const cache = new FakeCache();
  return { cache, openJob: async (id) => cache.job(id) };
});

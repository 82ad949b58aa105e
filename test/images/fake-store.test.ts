import { imageStoreContract } from "../contract/image-store.ts";
import { FakeHost } from "./fake-store.ts";

imageStoreContract("fake store", async () => {
  const host = new FakeHost();
  return { openJob: async () => host.storeOfJob() };
});

import { imageStoreContract } from "../contract/image-store.ts";
import { privateContainerd } from "./store-containerd.ts";
import { TestStores } from "./store-jobs.ts";

imageStoreContract("containerd", async (undo) => {
  const stores = await TestStores.open(undo, await privateContainerd(undo));
  return {
    openJob(id) {
      const { store, close } = stores.job(id);
      undo.add(`job ${id}`, close);
      return Promise.resolve(store);
    },
  };
});

import { JobToken } from "../../../core/kernel/job.ts";
import type { Binder } from "../../../core/kernel/scope.ts";
import { DaemonToken } from "../../../core/kernel/tokens.ts";
import { ImageCacheToken, ImageStoreToken } from "../../images/backend.ts";
import { ConnectionToken, JobLeaseToken, SettingsToken, SharedImagesToken } from "../tokens.ts";
import { ContainerdImageCache } from "./cache.ts";
import { SharedImages } from "./shared-images.ts";
import { ContainerdImageStore } from "./store.ts";

/** Binds what all jobs' image stores share, and the cache. */
export function bindSharedImages(scope: Binder): void {
  scope.bind(SharedImagesToken, {
    class: SharedImages,
    inject: [ConnectionToken, SettingsToken, DaemonToken],
  });
  scope.bind(ImageCacheToken, {
    class: ContainerdImageCache,
    inject: [ConnectionToken, SharedImagesToken, SettingsToken],
  });
}

/** Binds one job's image store. */
export function bindImageStore(scope: Binder): void {
  scope.bind(ImageStoreToken, {
    class: ContainerdImageStore,
    inject: [ConnectionToken, SharedImagesToken, SettingsToken, JobLeaseToken, JobToken],
  });
}

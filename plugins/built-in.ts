import type { BuiltInTable } from "../core/kernel/loader.ts";

/** The plugins that come with Berth, by id. Each is imported only when it is enabled. */
export const builtIns: BuiltInTable = {
  system: () => import("./system/plugin.ts"),
  images: () => import("./images/plugin.ts"),
  push: () => import("./push/plugin.ts"),
  containers: () => import("./containers/plugin.ts"),
  control: () => import("./control/plugin.ts"),
  containerd: () => import("./containerd/plugin.ts"),
  cni: () => import("./cni/plugin.ts"),
  registry: () => import("./registry/plugin.ts"),
};

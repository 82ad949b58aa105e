/** The images area: what the job has, and how it comes by it. */
import { contractVersion, definePlugin, type PluginContext } from "../../core/kernel/plugin.ts";
import { route } from "../../core/kernel/route.ts";
import { type Binder, type Token, token } from "../../core/kernel/scope.ts";
import { DaemonToken, JobToken } from "../../core/kernel/tokens.ts";
import { ImageLookupToken } from "../containers/backend.ts";
import { CacheAdminToken } from "../control/backend.ts";
import { ImagesToPushToken } from "../push/backend.ts";
import { ImageCountsToken } from "../system/backend.ts";
import { Spools, SpoolsToken } from "./archive/spools.ts";
import { ImageCacheToken, ImageStoreToken, RegistriesToken, RegistryLoginsToken } from "./backend.ts";
import { KeptCache } from "./cache/admin.ts";
import { CacheKeeper, CacheKeeperToken } from "./cache/keeper.ts";
import { watermarksOf, WatermarksToken } from "./cache/settings.ts";
import { ImageDistribution } from "./distribution.ts";
import { HeldImages, HeldImagesToken } from "./held-images.ts";
import { ImageTable, ImageTableToken } from "./image-table.ts";
import { ImageHistory } from "./history.ts";
import { TableImagesToPush } from "./images-to-push.ts";
import { ImageImport, ImportToken } from "./import.ts";
import { ImageInspect, inspectShapes } from "./inspect.ts";
import { ImageList, listShapes } from "./list.ts";
import { ImageLoad } from "./load.ts";
import { JobLogins } from "./logins.ts";
import { TableCounts, TableLookup } from "./lookup.ts";
import { Preload, type PreloadPlan, PreloadToken } from "./preload/preload.ts";
import { readCredentials } from "./preload/credentials.ts";
import { preloadReferences } from "./preload/settings.ts";
import { ImagePrune } from "./prune.ts";
import { ImagePull } from "./pull.ts";
import { ImageRemove } from "./remove.ts";
import { ImageRemover, ImageRemoverToken } from "./remover.ts";
import { ImageSearch } from "./search.ts";
import { ImageSave } from "./save.ts";
import { checkSettings, PluginSettings, SettingsToken } from "./settings.ts";
import { ImageTag } from "./tag.ts";

const ListToken: Token<ImageList> = token("images.list");
const InspectToken: Token<ImageInspect> = token("images.inspect");
const HistoryToken: Token<ImageHistory> = token("images.history");
const SearchToken: Token<ImageSearch> = token("images.search");
const PullToken: Token<ImagePull> = token("images.pull");
const TagToken: Token<ImageTag> = token("images.tag");
const RemoveToken: Token<ImageRemove> = token("images.remove");
const DistributionToken: Token<ImageDistribution> = token("images.distribution");
const PruneToken: Token<ImagePrune> = token("images.prune");
const LoadToken: Token<ImageLoad> = token("images.load");
const SaveToken: Token<ImageSave> = token("images.save");

const PreloadPlanToken: Token<PreloadPlan> = token("images.preload-plan");

export default definePlugin<PluginSettings>({
  id: "images",
  contract: contractVersion,
  summary: "Lists, inspects, pulls, loads, tags and removes the job's images",
  provides: [ImageLookupToken, ImageCountsToken, ImagesToPushToken, RegistryLoginsToken, CacheAdminToken],
  requires: [ImageStoreToken, ImageCacheToken, RegistriesToken, DaemonToken, JobToken],
  settings: PluginSettings,
  configure: checkSettings,
  routes: [
    route("GET", "/images/json", ListToken, "list", { shapes: listShapes }),
    route("GET", "/images/{name...}/json", InspectToken, "inspect", { shapes: inspectShapes }),
    route("GET", "/images/{name...}/history", HistoryToken, "history"),
    route("GET", "/images/search", SearchToken, "search"),
    route("GET", "/distribution/{name...}/json", DistributionToken, "inspect", { since: "1.30" }),
    route("POST", "/images/create", PullToken, "create", { kind: "stream" }),
    route("POST", "/images/load", LoadToken, "load", { kind: "stream" }),
    route("GET", "/images/get", SaveToken, "several", { kind: "stream" }),
    route("GET", "/images/{name...}/get", SaveToken, "one", { kind: "stream" }),
    route("POST", "/images/{name...}/tag", TagToken, "tag"),
    route("POST", "/images/prune", PruneToken, "prune", { since: "1.25" }),
    route("DELETE", "/images/{name...}", RemoveToken, "remove"),
  ],
  async start({ settings }) {
    const path = settings.preloadCredentials;
    if (path !== undefined) await readCredentials(path, settings);
  },
  daemon: bindCache,
  describe: (scope) => ({ warnings: scope.get(PreloadToken).warnings() }),
  job(scope, { settings }) {
    scope.bind(SettingsToken, { value: settings });
    scope.bind(RegistryLoginsToken, JobLogins);
    scope.bind(ImageTableToken, ImageTable);
    scope.bind(ImageLookupToken, TableLookup);
    scope.bind(ImageCountsToken, TableCounts);
    scope.bind(ImagesToPushToken, TableImagesToPush);
    scope.bind(HeldImagesToken, HeldImages);
    scope.bind(ListToken, ImageList);
    scope.bind(InspectToken, ImageInspect);
    scope.bind(HistoryToken, ImageHistory);
    scope.bind(SearchToken, ImageSearch);
    scope.bind(PullToken, ImagePull);
    scope.bind(TagToken, ImageTag);
    scope.bind(ImageRemoverToken, ImageRemover);
    scope.bind(RemoveToken, ImageRemove);
    scope.bind(DistributionToken, ImageDistribution);
    scope.bind(PruneToken, ImagePrune);
    scope.bind(SpoolsToken, Spools);
    scope.bind(ImportToken, ImageImport);
    scope.bind(LoadToken, ImageLoad);
    scope.bind(SaveToken, ImageSave);
  },
});

/** Binds what looks after the images that outlive jobs. */
function bindCache(scope: Binder, { settings }: PluginContext<PluginSettings>): void {
  const { preloadCredentials: credentialsPath, defaultRegistry } = settings;
  const plan = { references: preloadReferences(settings), credentialsPath, defaultRegistry };
  scope.bind(WatermarksToken, { value: watermarksOf(settings.cache) });
  scope.bind(CacheKeeperToken, CacheKeeper);
  scope.bind(CacheAdminToken, KeptCache);
  scope.bind(PreloadPlanToken, { value: plan });
  scope.bind(PreloadToken, {
    class: Preload,
    inject: [PreloadPlanToken, RegistriesToken, ImageCacheToken, CacheKeeperToken, DaemonToken],
  });
}

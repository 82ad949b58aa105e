/** The images area: what the job has, and how it comes by it. */
import { contractVersion, definePlugin } from "../../core/kernel/plugin.ts";
import { route } from "../../core/kernel/route.ts";
import { type Token, token } from "../../core/kernel/scope.ts";
import { JobToken } from "../../core/kernel/tokens.ts";
import { ImageLookupToken } from "../containers/backend.ts";
import { ImageCountsToken } from "../system/backend.ts";
import { ImageStoreToken, RegistriesToken } from "./backend.ts";
import { Spools, SpoolsToken } from "./archive/spools.ts";
import { HeldImages, HeldImagesToken } from "./held-images.ts";
import { ImageTable, ImageTableToken } from "./image-table.ts";
import { ImageImport, ImportToken } from "./import.ts";
import { ImageInspect, inspectShapes } from "./inspect.ts";
import { ImageList, listShapes } from "./list.ts";
import { ImageLoad } from "./load.ts";
import { TableCounts, TableLookup } from "./lookup.ts";
import { ImagePull } from "./pull.ts";
import { ImageRemove } from "./remove.ts";
import { ImageSave } from "./save.ts";
import { Settings, SettingsToken } from "./settings.ts";
import { ImageTag } from "./tag.ts";

const ListToken: Token<ImageList> = token("images.list");
const InspectToken: Token<ImageInspect> = token("images.inspect");
const PullToken: Token<ImagePull> = token("images.pull");
const TagToken: Token<ImageTag> = token("images.tag");
const RemoveToken: Token<ImageRemove> = token("images.remove");
const LoadToken: Token<ImageLoad> = token("images.load");
const SaveToken: Token<ImageSave> = token("images.save");

export default definePlugin<Settings>({
  id: "images",
  contract: contractVersion,
  summary: "Lists, inspects, pulls, loads, tags and removes the job's images",
  provides: [ImageLookupToken, ImageCountsToken],
  requires: [ImageStoreToken, RegistriesToken, JobToken],
  settings: Settings,
  routes: [
    route("GET", "/images/json", ListToken, "list", { shapes: listShapes }),
    route("GET", "/images/{name...}/json", InspectToken, "inspect", { shapes: inspectShapes }),
    route("POST", "/images/create", PullToken, "create", { kind: "stream" }),
    route("POST", "/images/load", LoadToken, "load", { kind: "stream" }),
    route("GET", "/images/get", SaveToken, "several", { kind: "stream" }),
    route("GET", "/images/{name...}/get", SaveToken, "one", { kind: "stream" }),
    route("POST", "/images/{name...}/tag", TagToken, "tag"),
    route("DELETE", "/images/{name...}", RemoveToken, "remove"),
  ],
  job(scope, { settings }) {
    scope.bind(SettingsToken, { value: settings });
    scope.bind(ImageTableToken, ImageTable);
    scope.bind(ImageLookupToken, TableLookup);
    scope.bind(ImageCountsToken, TableCounts);
    scope.bind(HeldImagesToken, HeldImages);
    scope.bind(ListToken, ImageList);
    scope.bind(InspectToken, ImageInspect);
    scope.bind(PullToken, ImagePull);
    scope.bind(TagToken, ImageTag);
    scope.bind(RemoveToken, ImageRemove);
    scope.bind(SpoolsToken, Spools);
    scope.bind(ImportToken, ImageImport);
    scope.bind(LoadToken, ImageLoad);
    scope.bind(SaveToken, ImageSave);
  },
});

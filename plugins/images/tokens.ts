import { type Token, token } from "../../core/kernel/scope.ts";
import type { HeldImages } from "./held-images.ts";
import type { ImageTable } from "./image-table.ts";
import type { Settings } from "./settings.ts";

/** What the area's own objects take from each other; nobody else does. */
export const ImageTableToken: Token<ImageTable> = token("images.table");
export const HeldImagesToken: Token<HeldImages> = token("images.held");
export const SettingsToken: Token<Settings> = token("images.settings");

/** The registry client: resolves references, downloads and uploads for the areas that pull and push. Serves no routes. */
import { contractVersion, definePlugin } from "../../core/kernel/plugin.ts";
import { type Token, token } from "../../core/kernel/scope.ts";
import { RegistriesToken } from "../images/backend.ts";
import { PushRegistriesToken } from "../push/backend.ts";
import { HttpRegistries } from "./registries.ts";
import { Settings } from "./settings.ts";
import { HttpPushRegistries } from "./upload-registries.ts";

const SettingsToken: Token<Settings> = token("registry.settings");

export default definePlugin<Settings>({
  id: "registry",
  contract: contractVersion,
  summary: "Reaches image registries: anonymous, basic and token authentication, resumed transfers",
  provides: [RegistriesToken, PushRegistriesToken],
  settings: Settings,
  daemon(scope, { settings }) {
    scope.bind(SettingsToken, { value: settings });
    scope.bind(RegistriesToken, { class: HttpRegistries, inject: [SettingsToken] });
    scope.bind(PushRegistriesToken, { class: HttpPushRegistries, inject: [SettingsToken] });
  },
});

/** The registry client: resolves references, downloads and uploads for the areas that pull and push. Serves no routes. */
import { contractVersion, definePlugin } from "../../core/kernel/plugin.ts";
import { RegistriesToken } from "../images/backend.ts";
import { PushRegistriesToken } from "../push/backend.ts";
import { Network, NetworkToken } from "./network.ts";
import { HttpRegistries } from "./registries.ts";
import { Settings } from "./settings.ts";
import { HttpPushRegistries } from "./upload-registries.ts";

export default definePlugin<Settings>({
  id: "registry",
  contract: contractVersion,
  summary: "Reaches image registries: logins, mirrors, proxies, own authorities, resumed transfers",
  provides: [RegistriesToken, PushRegistriesToken],
  settings: Settings,
  daemon(scope, { settings, log }) {
    scope.bind(NetworkToken, { make: () => new Network(settings, process.env), inject: [] });
    scope.bind(RegistriesToken, {
      make: (network: Network) => new HttpRegistries(network, settings, log),
      inject: [NetworkToken],
    });
    scope.bind(PushRegistriesToken, {
      make: (network: Network) => new HttpPushRegistries(network, settings),
      inject: [NetworkToken],
    });
  },
});

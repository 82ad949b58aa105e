/** The registry client: resolves references and downloads images for the areas that pull. Serves no routes. */
import { contractVersion, definePlugin } from "../../core/kernel/plugin.ts";
import { RegistriesToken } from "../images/backend.ts";
import { Network, NetworkToken } from "./network.ts";
import { HttpRegistries } from "./registries.ts";
import { Settings } from "./settings.ts";

export default definePlugin<Settings>({
  id: "registry",
  contract: contractVersion,
  summary: "Reaches image registries: logins, mirrors, proxies, own authorities, resumed downloads",
  provides: [RegistriesToken],
  settings: Settings,
  daemon(scope, { settings, log }) {
    scope.bind(NetworkToken, { make: () => new Network(settings, process.env), inject: [] });
    scope.bind(RegistriesToken, {
      make: (network: Network) => new HttpRegistries(network, settings, log),
      inject: [NetworkToken],
    });
  },
});

import { JobToken } from "../../core/kernel/job.ts";
import { contractVersion, definePlugin, type Skip } from "../../core/kernel/plugin.ts";
import { DaemonToken } from "../../core/kernel/tokens.ts";
import { JobNetworkToken } from "../containerd/backend.ts";
import { CniPrograms, neededPlugins } from "./cni-programs.ts";
import { HostNetworks, HostNetworksToken } from "./host-networks.ts";
import { findProgram, packageOfProgram, type Program } from "./host-tools.ts";
import { BridgedJobNetwork } from "./job-network.ts";
import { checkCniSettings, type CniSettings, CniSettingsSchema, CniSettingsToken } from "./settings.ts";

/** Networks for jobs' containers, made by the standard CNI plugins. */
export default definePlugin<CniSettings>({
  id: "cni",
  contract: contractVersion,
  summary: "a network per job, isolated from all others, by the CNI plugins bridge and host-local",
  provides: [JobNetworkToken],
  settings: CniSettingsSchema,
  configure: checkCniSettings,

  start({ settings }) {
    return missing(settings);
  },

  daemon(scope, { settings }) {
    scope.bind(CniSettingsToken, { value: settings });
    scope.bind(HostNetworksToken, { class: HostNetworks, inject: [DaemonToken, CniSettingsToken] });
  },

  job(scope) {
    scope.bind(JobNetworkToken, { class: BridgedJobNetwork, inject: [JobToken, HostNetworksToken] });
  },

  async describe(scope) {
    const { programs } = scope.get(HostNetworksToken);
    return { version: await programs.version(), details: { Bridge: programs.find("bridge") ?? "" } };
  },
});

/** What the host lacks, with the package that brings it. */
function missing(settings: CniSettings): Skip | undefined {
  if (process.getuid?.() !== 0) return { skip: "it makes network namespaces, which takes root" };
  const programs = new CniPrograms(settings.binDirs);
  const plugin = neededPlugins.find((name) => !programs.find(name));
  if (plugin) {
    const places = settings.binDirs.join(" nor ");
    return { skip: `the CNI plugin ${plugin} is not in ${places}: install containernetworking-plugins` };
  }
  const program = (Object.keys(packageOfProgram) as Program[]).find((name) => !findProgram(name));
  return program && { skip: `${program} is not installed: install ${packageOfProgram[program]}` };
}

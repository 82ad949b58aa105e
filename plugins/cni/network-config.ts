import type { CniTarget } from "./cni-programs.ts";
import { gatewayOf, parseCidr } from "./cidr.ts";
import type { NetworkPaths, NetworkRecord } from "./network-state.ts";

/** What differs between interfaces of one network. */
export interface InterfaceOptions {
  /** In bytes; undefined leaves it to the kernel. */
  readonly mtu?: number;
  /** Whether everything else is reached through this network. */
  readonly defaultRoute?: boolean;
}

/** The configuration of the bridge plugin with host-local addresses. Firewall and masquerade are ours, not theirs. */
export function networkConfig(
  paths: NetworkPaths,
  { bridge, subnet }: Pick<NetworkRecord, "bridge" | "subnet">,
  { mtu, defaultRoute = false }: InterfaceOptions = {},
): object {
  return {
    name: bridge,
    type: "bridge",
    bridge,
    isGateway: true,
    ipMasq: false,
    hairpinMode: true,
    mtu,
    ipam: {
      type: "host-local",
      dataDir: paths.addresses(bridge),
      ranges: [[{ subnet, gateway: gatewayOf(parseCidr(subnet)) }]],
      routes: defaultRoute ? [{ dst: "0.0.0.0/0" }] : [],
    },
  };
}

/** The loopback interface, brought up by the plugin of that name. */
export const loopbackConfig = { name: "loopback", type: "loopback" };

/** The caller's end of a network. */
export function callerTarget(paths: NetworkPaths, bridge: string, interfaceName: string): CniTarget {
  return { containerId: `${bridge}-caller`, namespacePath: paths.caller(bridge), interfaceName };
}

import type { Container } from "../model/container.ts";

/** A container's place in its network, as list and inspect show it under the network's name. */
export function networksOf({ facts, state }: Container): Record<string, object> {
  const { endpoint } = state;
  return {
    [facts.host.network]: {
      IPAMConfig: null,
      Links: null,
      Aliases: null,
      MacAddress: endpoint?.macAddress ?? "",
      DriverOpts: null,
      GwPriority: 0,
      NetworkID: "",
      EndpointID: "",
      Gateway: endpoint?.gateway ?? "",
      IPAddress: endpoint?.ipAddress ?? "",
      IPPrefixLen: endpoint?.prefixLength ?? 0,
      IPv6Gateway: "",
      GlobalIPv6Address: "",
      GlobalIPv6PrefixLen: 0,
      DNSNames: null,
    },
  };
}

/** Inspect's `NetworkSettings`. The addresses at the top are those of the bridge network. */
export function networkSettings(container: Container): object {
  const endpoint = container.state.endpoint;
  const ports = container.running ? Object.keys(container.facts.config.ExposedPorts ?? {}) : [];
  return {
    Bridge: "",
    SandboxID: "",
    SandboxKey: "",
    Ports: Object.fromEntries(ports.map((port) => [port, null])),
    HairpinMode: false,
    LinkLocalIPv6Address: "",
    LinkLocalIPv6PrefixLen: 0,
    SecondaryIPAddresses: null,
    SecondaryIPv6Addresses: null,
    EndpointID: "",
    Gateway: endpoint?.gateway ?? "",
    GlobalIPv6Address: "",
    GlobalIPv6PrefixLen: 0,
    IPAddress: endpoint?.ipAddress ?? "",
    IPPrefixLen: endpoint?.prefixLength ?? 0,
    IPv6Gateway: "",
    MacAddress: endpoint?.macAddress ?? "",
    Networks: networksOf(container),
  };
}

/** Where Docker Hub's registry is; its images are named `docker.io`. */
export const hubHost = "registry-1.docker.io";

const hubNames = ["docker.io", "index.docker.io", hubHost];

/** The host that serves images of this name: `docker.io` is served by another one. */
export const servingHost = (name: string): string => hubNames.includes(name) ? hubHost : name;

/** True for a host, an address, or either with a port; `[::1]:5000` too. */
export const isHost = (text: string): boolean =>
  /^(?:[\w.-]+|\[[\da-fA-F:.]+\])(?::\d{1,5})?$/.test(text) && URL.canParse(`https://${text}`);

/** Docker reaches registries on loopback without TLS too. */
export const isLoopback = (host: string): boolean =>
  /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d+)?$/.test(host);

/** A way to authenticate that a registry offers in `WWW-Authenticate`. Source: RFC 9110 section 11.6.1. */
export interface Challenge {
  /** Lower case: `basic`, `bearer`. */
  readonly scheme: string;
  /** By lower-case name. */
  readonly parameters: Readonly<Record<string, string>>;
}

/** Longer headers are cut: a registry that needs more is not one. */
const longestHeader = 8192;

/** Reads a `WWW-Authenticate` header, several challenges included. What cannot be understood is left out. */
export function parseChallenges(header: string): Challenge[] {
  const challenges: { scheme: string; parameters: Record<string, string> }[] = [];
  const part =
    /[\s,]*(?:([\w!#$%&'*+.^`|~-]+)\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s,"]+))|([\w!#$%&'*+.^`|~-]+))/y;
  const text = header.slice(0, longestHeader);
  for (let match = part.exec(text); match; match = part.exec(text)) {
    const [, name, quoted, bare, scheme] = match;
    if (scheme) challenges.push({ scheme: scheme.toLowerCase(), parameters: {} });
    else if (name) {
      const value = quoted === undefined ? bare ?? "" : quoted.replace(/\\(.)/g, "$1");
      const current = challenges.at(-1);
      if (current) current.parameters[name.toLowerCase()] = value;
    }
  }
  return challenges;
}

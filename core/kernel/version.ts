/** An Engine API version, `1.51`. Compared by its numbers; any `major.minor` is accepted, known or not. */
export class ApiVersion {
  readonly major: number;
  readonly minor: number;

  constructor(major: number, minor: number) {
    this.major = major;
    this.minor = minor;
  }

  /** Reads `1.44`; undefined when the text is not a version. */
  static parse(text: string): ApiVersion | undefined {
    const match = /^(\d{1,4})\.(\d{1,4})$/.exec(text);
    return match ? new ApiVersion(Number(match[1]), Number(match[2])) : undefined;
  }

  /** True for this version and newer ones: `request.version.atLeast("1.42")`. */
  atLeast(text: string): boolean {
    const other = ApiVersion.parse(text);
    if (!other) throw new Error(`${text} is not an API version`);
    return this.major > other.major || (this.major === other.major && this.minor >= other.minor);
  }

  toString(): string {
    return `${this.major}.${this.minor}`;
  }
}

/** The version served when a request's path names none, and told by `Api-Version`. Engine 28.5's. */
export const currentApiVersion = new ApiVersion(1, 51);
/** The oldest version told to clients; older prefixes are served all the same. Engine 28's. */
export const minimumApiVersion = new ApiVersion(1, 24);

import Type, { type Static } from "typebox";
import { checkSettings, type SettingsSchema } from "../kernel/settings.ts";

const milliseconds = (fallback: number, description: string) =>
  Type.Integer({ minimum: 1, maximum: 86_400_000, default: fallback, description });

/** The `[http]` table of the config file: what one job's socket takes before it says no. */
export const HttpLimitsSchema = Type.Object({
  headerBytes: Type.Integer({
    minimum: 1_024,
    maximum: 16_777_216,
    default: 262_144,
    description: "Largest request line and header together, in bytes. Larger ones answer 431. " +
      "Builds send every registry credential in one header, so a few KiB are too small.",
  }),
  jsonBodyBytes: Type.Integer({
    minimum: 1_024,
    maximum: 268_435_456,
    default: 4_194_304,
    description:
      "Largest JSON body, in bytes. Larger ones answer 413. Uploads (load, build, cp) have no limit.",
  }),
  headerTimeoutMs: milliseconds(
    30_000,
    "How long a client may take to send a request's header, in milliseconds. Slower ones answer 408.",
  ),
  requestIdleTimeoutMs: milliseconds(
    30_000,
    "How long a JSON body may stand still, in milliseconds. Longer ones answer 408.",
  ),
  uploadIdleTimeoutMs: milliseconds(
    1_800_000,
    "How long an upload may stand still while it is being waited for, in milliseconds. Longer ones answer 408. " +
      "What feeds a `docker load` may pause for long; attached input has no limit at all.",
  ),
  keepAliveTimeoutMs: milliseconds(
    600_000,
    "How long a connection may idle between requests, in milliseconds. Short values make clients race the close.",
  ),
  maxConnections: Type.Integer({
    minimum: 1,
    maximum: 100_000,
    default: 1_024,
    description: "Connections that one job may have open at once. Those above it answer 503.",
  }),
}, { additionalProperties: false });

export type HttpLimits = Static<typeof HttpLimitsSchema>;

/** The limits with every default. */
export const defaultHttpLimits: HttpLimits = Object.freeze(
  checkSettings<HttpLimits>(HttpLimitsSchema as SettingsSchema, {}, "http"),
);

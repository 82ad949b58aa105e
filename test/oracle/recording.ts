import { join } from "node:path";
import { root } from "../../scripts/tests/root.ts";

/** The recorded answers of Docker Engine, committed. */
export const recordingPath = join(root, "test", "recorded", "docker-engine.json");

/** Starts a private containerd in the directory given and is killed: what kill -9 does to a daemon. */
import { Undo } from "../../core/support/undo.ts";
import { supervisorFor } from "./store-containerd.ts";

const { supervisor } = supervisorFor(new Undo("never run"), process.argv[2] as string);
await supervisor.open();
process.kill(process.pid, "SIGKILL");

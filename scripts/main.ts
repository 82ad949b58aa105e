#!/usr/bin/env node
/** The composition root of the command line: the kernel's commands, with the plugins that come with Berth. */
import process from "node:process";
import { runCommandLine } from "../core/cli/main.ts";
import { builtIns } from "../plugins/built-in.ts";

await runCommandLine(process.argv.slice(2), builtIns);

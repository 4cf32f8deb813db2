#!/usr/bin/env node
import { runDocmnist } from "./command/run.ts";

const interruption = new AbortController();
// The first Ctrl-C lets the command clean up, the second ends it at once.
process.once("SIGINT", () => interruption.abort());
process.once("SIGTERM", () => interruption.abort());

runDocmnist(process.argv.slice(2), { signal: interruption.signal }).then((code) => {
  process.exitCode = code;
});

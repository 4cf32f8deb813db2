#!/usr/bin/env node
import { runDocmnist } from "./command/run.ts";

// No process.exit on success: pending writes to a pipe must get through.
runDocmnist(process.argv.slice(2)).then((code) => {
  process.exitCode = code;
});

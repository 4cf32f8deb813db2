#!/usr/bin/env node
import { runVilla } from "./main.ts";

// No process.exit on success: pending writes to a pipe must get through.
process.exitCode = await runVilla(process.argv.slice(2));

#!/usr/bin/env node
import { createVilla } from "./create-villa.ts";

process.exitCode = await createVilla(process.argv.slice(2), {
  out: (text) => console.log(text),
  err: (text) => console.error(text),
});

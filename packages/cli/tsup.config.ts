import { defineConfig } from "tsup";
import { villaBuild } from "../../tsup.base.ts";

export default defineConfig([
  villaBuild({ index: "src/index.ts" }, { noExternal: ["@villa/command-kit"] }),
  // The command itself is ESM only: it uses top-level await and is never imported.
  // `experimentTask` is the module that its workers load by URL.
  villaBuild(
    { cli: "src/cli.ts", experimentTask: "src/experiment/cell.ts" },
    { format: ["esm"], dts: false, clean: false, noExternal: ["@villa/command-kit"] },
  ),
]);

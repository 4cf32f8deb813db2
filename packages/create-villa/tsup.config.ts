import { defineConfig } from "tsup";
import { villaBuild } from "../../tsup.base.ts";

// A command alone, never imported.
export default defineConfig(villaBuild({ cli: "src/cli.ts" }, { format: ["esm"], dts: false }));

import { defineConfig } from "tsup";
import { villaBuild } from "../../tsup.base.ts";

export default defineConfig(villaBuild({ index: "src/index.ts" }, { format: ["esm"] }));

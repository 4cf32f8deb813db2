import { defineConfig } from "tsup";
import { villaBuild } from "../../tsup.base.ts";

// `tasks` is the module that workers load by URL; shims give the CommonJS build an import.meta.url.
export default defineConfig(
  villaBuild({ index: "src/index.ts", node: "src/node.ts", tasks: "src/node/tasks.ts" }, { shims: true }),
);

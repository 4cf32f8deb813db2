import { defineConfig } from "tsup";
import { villaBuild } from "../../tsup.base.ts";

export default defineConfig(
  villaBuild(
    { index: "src/index.ts", node: "src/node.ts", cli: "src/cli.ts" },
    // The kit that the villa and docmnist commands share is never published.
    { noExternal: ["@villa/command-kit"] },
  ),
);

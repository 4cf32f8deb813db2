import { defineConfig } from "tsup";
import { villaBuild } from "../../tsup.base.ts";

export default defineConfig(
  villaBuild(
    { index: "src/index.ts", worker: "src/tasks/worker.ts" },
    // tsup leaves dependencies out of the bundle, but not optional ones.
    { external: ["webgpu", "onnxruntime-node"] },
  ),
);

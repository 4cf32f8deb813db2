import { defineConfig } from "tsup";
import { villaBuild } from "../../tsup.base.ts";

export default defineConfig(
  villaBuild({
    index: "src/index.ts",
    node: "src/node.ts",
    kernels: "src/kernels.ts",
    tensors: "src/tensors.ts",
    tensorflow: "src/tensorflow.ts",
  }),
);

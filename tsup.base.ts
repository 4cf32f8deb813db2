import { readFileSync } from "node:fs";
import type { Options } from "tsup";

/** Tensors in the types of a built @villa/core are TensorFlow.js's own for packages that compute with them. */
function tensorTypes(): string[] {
  const { dependencies = {} } = JSON.parse(readFileSync("package.json", "utf8")) as {
    dependencies?: Record<string, string> | undefined;
  };
  return "@villa/core" in dependencies ? ["@villa/core/tensorflow"] : [];
}

/** The build every package shares: ESM and CJS with types, sources readable, dependencies left external. */
export function villaBuild(entry: Record<string, string>, overrides: Options = {}): Options {
  return {
    entry,
    format: ["esm", "cjs"],
    target: "es2022",
    dts: {
      compilerOptions: { ignoreDeprecations: "6.0", customConditions: [], types: ["node", ...tensorTypes()] },
      // Private packages of the workspace are bundled, types too.
      resolve: ["@villa/command-kit"],
    },
    clean: true,
    sourcemap: false,
    splitting: true,
    treeshake: true,
    ...overrides,
  };
}

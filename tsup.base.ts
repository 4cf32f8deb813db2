import type { Options } from "tsup";

/** The build every package shares: ESM and CJS with types, sources readable, dependencies left external. */
export function villaBuild(entry: Record<string, string>, overrides: Options = {}): Options {
  return {
    entry,
    format: ["esm", "cjs"],
    target: "es2022",
    dts: {
      compilerOptions: { ignoreDeprecations: "6.0", customConditions: [] },
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

// What `@villa/testing` means in browser tests: no file system, golden values handed over by the configuration.
import { inject } from "vitest";
import type { GoldenSource } from "../golden.ts";

export { expectAllClose, expectSummary, type Summary } from "../numeric.ts";
export { bytes, fnv1a32, tensorValues, unit } from "../unit.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Parsed golden files by name. */
    villaGolden: Record<string, unknown>;
  }
}

export function golden(): GoldenSource {
  return {
    json<T>(name: string): T {
      const files = inject("villaGolden");
      if (!(name in files)) throw new Error(`vitest.browser.config.ts provides no ${name}.`);
      return files[name] as T;
    },
    path: () => {
      throw new Error("A browser has no files.");
    },
  };
}

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export interface GoldenSource {
  /** Parsed JSON of `name`, from `VILLA_GOLDEN_DIR` when that is set and holds it, else from the package's fixtures. */
  json<T>(name: string): T;
  /** Path of a file or folder, chosen the same way. */
  path(name: string): string;
}

/**
 * Golden values for one test file.
 *
 * @example const { json } = golden(import.meta.url); const cases = json<RngCase[]>("rng.json");
 * @param testUrl `import.meta.url` of a test in `<package>/test/`; fixtures are in `<package>/test/fixtures/`.
 */
export function golden(testUrl: string): GoldenSource {
  const fixtures = fileURLToPath(new URL("./fixtures/", testUrl));
  const path = (name: string): string => {
    const override = process.env.VILLA_GOLDEN_DIR;
    const overridden = override ? join(override, name) : undefined;
    return overridden && existsSync(overridden) ? overridden : join(fixtures, name);
  };
  return { path, json: (name) => JSON.parse(readFileSync(path(name), "utf8")) };
}

import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

export interface GoldenSource {
  /** Parsed JSON of `name`, from `VILLA_GOLDEN_DIR` when that is set and holds it, else from the fixtures beside this file. */
  json<T>(name: string): T;
  /** Path of a file or folder, chosen the same way. */
  path(name: string): string;
}

/** Folder of the committed golden values. */
export const fixturesDirectory: string = join(import.meta.dirname, "fixtures");

/**
 * Golden values, computed by the original implementations.
 *
 * @example const { json } = golden(); const cases = json<RngCase[]>("rng.json");
 */
export function golden(): GoldenSource {
  const path = (name: string): string => {
    const override = process.env.VILLA_GOLDEN_DIR;
    const overridden = override ? join(override, name) : undefined;
    return overridden && existsSync(overridden) ? overridden : join(fixturesDirectory, name);
  };
  return { path, json: (name) => JSON.parse(readFileSync(path(name), "utf8")) };
}

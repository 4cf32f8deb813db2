import { existsSync, readFileSync } from "node:fs";

/** For `resolveConfig`: the text of an experiment's YAML file, or undefined. */
export function readExperiment(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, "utf8") : undefined;
}

/** Where every setting is described. */
export const settingsPage = "https://github.com/villa-ts/villa/blob/main/docs/configuration.md";

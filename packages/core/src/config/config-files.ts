import { readFileSync } from "node:fs";
import { checkArgument } from "@villa/data";
import { fileError } from "@villa/data/node";
import type * as v from "valibot";
import { type ResolveConfigOptions, resolveConfig } from "./resolve.ts";

/**
 * {@link resolveConfig} where `experiment=` may also name a YAML file.
 *
 * @throws VillaError as `resolveConfig`; `FileSystem` when the file cannot be read
 */
export function resolveConfigFiles<Schema extends v.GenericSchema>(
  options: Omit<ResolveConfigOptions<Schema>, "readFile">,
): v.InferOutput<Schema> {
  checkArgument("options", options, {
    schema: { "~run": "function" },
    "experiments?": "object",
    "overrides?": ["text"],
  });

  return resolveConfig({ ...options, readFile: readTextIfPresent });
}

function readTextIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw fileError(error, { path, doing: "read" });
  }
}

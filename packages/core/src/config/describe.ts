import { checkArgument } from "@villa/data";
import type * as v from "valibot";
import { schemaPaths } from "./schema-paths.ts";
import { snakeCase } from "./spelling.ts";

/** A setting as help texts and the documentation show it. */
export interface SettingDescription {
  /** Dotted, in snake_case: `optimizer.weight_decay`. */
  readonly key: string;
  /** As one would type it; undefined for a setting that has to be given. */
  readonly fallback: string | undefined;
  /** One or two sentences; code in backticks. */
  readonly help: string;
}

/** Every setting of a schema, in its order. */
export function describeSettings(schema: v.GenericSchema): SettingDescription[] {
  checkArgument("schema", schema, { "~run": "function" });

  return schemaPaths(schema)
    .filter(({ isGroup }) => !isGroup)
    .map(({ path, fallback, help }) => ({
      key: snakeCase(path),
      fallback: fallback === undefined ? undefined : written(fallback),
      help,
    }));
}

function written(value: unknown): string {
  return Array.isArray(value) ? `[${value.map(written).join(", ")}]` : String(value);
}

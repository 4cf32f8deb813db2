import { checkArgument, VillaError } from "@villa/data";
import * as v from "valibot";

/**
 * Settings checked against their schema, with defaults filled in.
 *
 * @param options `spell`: how messages write a key; default as the schema spells it
 * @throws VillaError `InvalidArgument` naming every key that is unknown, missing or out of range
 */
export function checkConfig<Schema extends v.GenericSchema>(
  schema: Schema,
  values: unknown,
  options: { readonly spell?: ((path: string) => string) | undefined } = {},
): v.InferOutput<Schema> {
  checkArgument("schema", schema, { "~run": "function" });
  checkArgument("options?", options, { "spell?": "function" });
  const { spell = (path) => path } = options;

  const result = v.safeParse(schema, values);
  if (result.success) return result.output;
  const sentences = result.issues.map((issue) => {
    const path = spell(v.getDotPath(issue) ?? "");
    if (path && issue.expected === "never") return `there is no setting ${path}`;
    if (path && issue.received === "undefined") return `${path} is missing; give ${path}=VALUE`;
    return path ? `${path}: ${explain(issue)}` : explain(issue);
  });
  throw new VillaError("InvalidArgument", `The configuration is not valid: ${sentences.join("; ")}.`);
}

/**
 * Settings over others, group by group; what is undefined leaves the other in place.
 *
 * @example
 * mergeSettings({ epochs: 10, optimizer: { lr: 1e-3, weightDecay: 0 } }, { optimizer: { lr: 1e-4 } });
 */
export function mergeSettings(base: object, over: object): Record<string, unknown> {
  checkArgument("base", base, "object");
  checkArgument("over", over, "object");

  const merged: Record<string, unknown> = { ...base };
  for (const [key, value] of Object.entries(over)) {
    const below = Object.hasOwn(merged, key) ? merged[key] : undefined;
    if (value !== undefined) merged[key] = isRecord(value) && isRecord(below) ? mergeSettings(below, value) : value;
  }
  return merged;
}

/** True for a group of settings: an object, not a list. */
export function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Valibot's own "Invalid type: Expected number but received "ten"" in plainer words; a schema's words as they are. */
function explain({ message, expected, received, type }: v.BaseIssue<unknown>): string {
  if (!message.startsWith("Invalid ")) return message;
  const [, sign = "", limit = ""] = /^([<>]=?)(\S+)$/.exec(expected ?? "") ?? [];
  const choices = (expected ?? "something else").replace(/^\((.*)\)$/, "$1").split(" | ");
  const wanted = /integer$/.test(type)
    ? "a whole number"
    : sign
      ? `${signs[sign]} ${limit}`
      : choices.map((choice) => kinds[choice] ?? choice).join(" or ");
  return `expected ${wanted}, not ${received === "Array" ? "a list" : received}`;
}

const signs: Readonly<Record<string, string>> = {
  ">=": "at least",
  ">": "more than",
  "<=": "at most",
  "<": "less than",
};
const kinds: Readonly<Record<string, string>> = {
  number: "a number",
  boolean: "true or false",
  string: "text",
  Array: "a list",
  Object: "a group of settings",
};

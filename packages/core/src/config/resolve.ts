import { checkArgument, firstLine, VillaError } from "@villa/data";
import type * as v from "valibot";
import { parse as parseYaml } from "yaml";
import { checkConfig, isRecord } from "./check.ts";
import { nearestName } from "./nearest.ts";
import { type SchemaPath, schemaPaths } from "./schema-paths.ts";
import { plainName, snakeCase } from "./spelling.ts";

/** A plain, possibly nested, set of settings. */
export type ConfigValues = { readonly [key: string]: unknown };

/** What a configuration is checked against: a valibot schema, such as one made of `setting`s. */
export type ConfigSchema = v.GenericSchema;

/** What a configuration is made of. */
export interface ResolveConfigOptions<Schema extends v.GenericSchema> {
  /** A valibot object schema; its keys are the only ones allowed, and it holds the defaults. See {@link setting}. */
  readonly schema: Schema;
  /** Built-in experiments by name: settings over the defaults. */
  readonly experiments?: Readonly<Record<string, ConfigValues>> | undefined;
  /** `key=value` words as typed: dotted keys, YAML values, and `experiment=<name or file>`. Later ones win. */
  readonly overrides?: readonly string[] | undefined;
  /** Text of a YAML experiment file, or undefined when there is no such file. */
  readonly readFile?: ((path: string) => string | undefined) | undefined;
}

/**
 * Settings from the schema's defaults, then an experiment, then overrides; checked against the schema.
 *
 * Keys may be written in snake_case, kebab-case or camelCase: they find the schema's spelling. Messages write them in
 * snake_case, as the documentation does.
 *
 * @example
 * resolveConfig({ schema, experiments, overrides: ["experiment=docmnist_stage1", "loss.temp=0.05"] });
 * @throws VillaError `InvalidArgument` for an unknown key (naming the nearest valid one), an unknown experiment, a word
 *   that is not `key=value`, or a value that the schema refuses
 */
export function resolveConfig<Schema extends v.GenericSchema>(
  options: ResolveConfigOptions<Schema>,
): v.InferOutput<Schema> {
  checkArgument("options", options, {
    schema: { "~run": "function" },
    "experiments?": "object",
    "overrides?": ["text"],
    "readFile?": "function",
  });

  const paths = schemaPaths(options.schema);
  const assignments = (options.overrides ?? []).map(splitAssignment);
  const values: Record<string, unknown> = {};
  const experiment = assignments.findLast(([key]) => key === "experiment")?.[1];
  if (experiment !== undefined) merge(values, loadExperiment(experiment, options), paths, `experiment ${experiment}`);
  for (const [key, text] of assignments) {
    if (key === "experiment") continue;
    const { path, type, isGroup, isNullable } = findPath(key, paths, "override");
    const isText = type === "string" && !(isNullable && text === "null");
    const value = isText ? text : parseValue(text);
    if (isGroup && isRecord(value)) merge(values, value, paths, "override", `${path}.`);
    else setPath(values, path, value);
  }
  return checkConfig(options.schema, values, { spell: snakeCase });
}

function splitAssignment(word: string): [key: string, text: string] {
  const at = word.indexOf("=");
  if (at < 1) throw new VillaError("InvalidArgument", `"${word}" is not an override; write key=value, e.g. epochs=10.`);
  return [word.slice(0, at).trim(), word.slice(at + 1).trim()];
}

function loadExperiment(
  name: string,
  { experiments = {}, readFile }: Pick<ResolveConfigOptions<v.GenericSchema>, "experiments" | "readFile">,
): ConfigValues {
  if (Object.hasOwn(experiments, name)) return experiments[name]!;
  const text = /[./\\]/.test(name) ? readFile?.(name) : undefined;
  if (text === undefined) {
    const known = Object.keys(experiments).join(", ") || "none";
    const message = `There is no experiment "${name}"; give a YAML file or one of the built-in ones: ${known}.`;
    throw new VillaError("InvalidArgument", message);
  }
  const parsed = parseFile(name, text);
  if (parsed === null || parsed === undefined) return {};
  if (!isRecord(parsed)) throw new VillaError("InvalidArgument", `${name} must hold "key: value" lines.`);
  return parsed;
}

function parseFile(name: string, text: string): unknown {
  try {
    return parseYaml(text);
  } catch (cause) {
    throw new VillaError("InvalidArgument", `${name} is not YAML: ${firstLine(cause)}`, { cause });
  }
}

/** Copies settings over others, group by group. */
function merge(
  target: Record<string, unknown>,
  source: ConfigValues,
  paths: readonly SchemaPath[],
  where: string,
  prefix = "",
): void {
  const visit = (group: ConfigValues, prefix: string) => {
    for (const [key, value] of Object.entries(group)) {
      const found = findPath(`${prefix}${key}`, paths, where);
      if (isRecord(value) && found.type !== "record") visit(value, `${found.path}.`);
      else setPath(target, found.path, structuredClone(value));
    }
  };
  visit(source, prefix);
}

/** Where a key of any spelling belongs. */
type Target = Pick<SchemaPath, "path" | "type" | "isGroup" | "isNullable">;

/** The schema's spelling of a key. Below a record any key is allowed. */
function findPath(key: string, paths: readonly SchemaPath[], where: string): Target {
  const plain = plainName(key);
  const found =
    paths.find(({ path }) => path === key) ??
    paths.find(({ path }) => plainName(path) === plain) ??
    paths.find(({ shortName }) => shortName !== undefined && plainName(shortName) === plain);
  if (found) return found;
  const open = paths.find(({ path, type }) => type === "record" && plain.startsWith(`${plainName(path)}.`));
  if (open) {
    const own = key.split(".").slice(open.path.split(".").length);
    return { path: [open.path, ...own].join("."), type: "any", isGroup: false, isNullable: true };
  }
  const names = paths.map(({ path }) => snakeCase(path));
  const nearest = nearestName(key, names);
  const advice = nearest ? `Did you mean "${nearest}"?` : `Valid keys: ${names.join(", ")}.`;
  throw new VillaError("InvalidArgument", `Unknown key "${key}" in the ${where}. ${advice}`);
}

/** A value as YAML 1.2 reads it; what is not YAML is text. */
function parseValue(text: string): unknown {
  if (text === "") return "";
  try {
    return parseYaml(text);
  } catch {
    return text;
  }
}

function setPath(target: Record<string, unknown>, path: string, value: unknown): void {
  const keys = path.split(".");
  const last = keys.pop()!;
  let group = target;
  for (const key of keys) {
    const next = Object.hasOwn(group, key) ? group[key] : undefined;
    const child: Record<string, unknown> = isRecord(next) ? next : {};
    // defineProperty, so that a key "__proto__" stays a plain key
    Object.defineProperty(group, key, { value: child, enumerable: true, writable: true, configurable: true });
    group = child;
  }
  Object.defineProperty(group, last, { value, enumerable: true, writable: true, configurable: true });
}

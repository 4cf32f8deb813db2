import { VillaError } from "@villa/data";

export type Json = Readonly<Record<string, unknown>>;

/** A member of a value of unknown type; undefined where there is none. */
export function nested(value: unknown, key: string): unknown {
  return typeof value === "object" && value !== null ? (value as Json)[key] : undefined;
}

/** An object inside of a configuration; empty where there is none. */
export function section(value: unknown, key: string): Json {
  const found = nested(value, key);
  return typeof found === "object" && found !== null && !Array.isArray(found) ? (found as Json) : {};
}

/** A number of a configuration. @throws VillaError `InvalidFile` for something else */
export function numberOf(config: Json | undefined, key: string): number | undefined {
  const value = config?.[key];
  if (value === undefined || value === null) return undefined;
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw new VillaError(
    "InvalidFile",
    `The model's configuration has ${JSON.stringify(value)} for ${key}, not a number.`,
  );
}

/** A flag of a configuration, false where it is not given. */
export function booleanOf(config: Json | undefined, key: string): boolean {
  return config?.[key] === true;
}

/** True for the contents of an `open_clip_config.json`. */
export function isOpenClip(config: Json | undefined): config is Json {
  return (
    config !== undefined && (nested(config, "model_cfg") !== undefined || nested(config, "text_cfg") !== undefined)
  );
}

/** The settings of the model in an `open_clip_config.json`. */
export function openClipModel(config: Json): Json {
  return nested(config, "model_cfg") === undefined ? config : section(config, "model_cfg");
}

/** Those of its text tower. */
export function openClipText(config: Json): Json {
  return section(openClipModel(config), "text_cfg");
}

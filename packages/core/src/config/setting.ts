import { checkArgument } from "@villa/data";
import * as v from "valibot";

/** A schema that turns a missing value into its default. */
export type Setting<Input, Output> = v.OptionalSchema<v.GenericSchema<Input, Output>, NonNullable<Input> | Input>;

/**
 * A setting of a configuration: its rule, its default and its description in one place. Checks, defaults, `--help` and the
 * documentation are all read from it.
 *
 * @param rule what values are allowed
 * @param options `fallback`: its default; `help`: its description; `shortName`: another name by which `resolveConfig` finds it, without its group
 * @example
 * const epochs = setting(whole(1), { fallback: 100, help: "passes over the training split, at most" });
 */
export function setting<Input, Output>(
  rule: v.GenericSchema<Input, Output>,
  options: {
    readonly fallback: NoInfer<Input>;
    readonly help: string;
    readonly shortName?: string | undefined;
  },
): Setting<Input, Output> {
  checkArgument("rule", rule, { "~run": "function" });
  checkArgument("options", options, { help: "text", "shortName?": "text" });
  const { fallback, ...description } = options;

  return v.optional(described(rule, description), fallback) as Setting<Input, Output>;
}

/** A setting without a default, which has to be given. */
export function requiredSetting<Input, Output>(
  rule: v.GenericSchema<Input, Output>,
  help: string,
): v.GenericSchema<Input, Output> {
  checkArgument("rule", rule, { "~run": "function" });
  checkArgument("help", help, "text");

  return described(rule, { help });
}

/** Settings under a common name: `optimizer.lr`. */
export function settingGroup<const Entries extends v.ObjectEntries>(
  entries: Entries,
): v.OptionalSchema<
  v.StrictObjectSchema<Entries, undefined>,
  () => v.InferInput<v.StrictObjectSchema<Entries, undefined>>
> {
  checkArgument("entries", entries, "object");

  return v.optional(v.strictObject(entries), () => ({}) as v.InferInput<v.StrictObjectSchema<Entries, undefined>>);
}

/** A number above 0. */
export function positive(): v.GenericSchema<number> {
  return v.pipe(v.number(), v.finite(), v.gtValue(0));
}

/** A number of at least 0. */
export function notNegative(): v.GenericSchema<number> {
  return v.pipe(v.number(), v.finite(), v.minValue(0));
}

/** A whole number of at least `least`. */
export function whole(least: number, most: number = Number.MAX_SAFE_INTEGER): v.GenericSchema<number> {
  checkArgument("least", least, "number");
  checkArgument("most?", most, "number");

  return v.pipe(v.number(), v.safeInteger(), v.minValue(least), v.maxValue(most));
}

/** Text that is not empty, such as a path. */
export function filledText(): v.GenericSchema<string> {
  return v.pipe(v.string(), v.nonEmpty("expected some text, not an empty one"));
}

/** A list, or a list as an override writes it: "0.05,0.1". Words that are not numbers stay words. */
export function listOf<Item>(item: v.GenericSchema<Item>): v.GenericSchema<string | number | readonly Item[], Item[]> {
  checkArgument("item", item, { "~run": "function" });

  const list = v.pipe(
    v.union([v.string(), v.number(), v.array(v.unknown())]),
    v.transform((value) => (Array.isArray(value) ? value : String(value).split(",").map(word))),
    v.array(item),
  );
  return list as unknown as v.GenericSchema<string | number | readonly Item[], Item[]>;
}

function described<Input, Output>(
  rule: v.GenericSchema<Input, Output>,
  { help, shortName }: { readonly help: string; readonly shortName?: string | undefined },
): v.GenericSchema<Input, Output> {
  const withHelp = v.pipe(rule, v.description(help));
  return shortName === undefined ? withHelp : v.pipe(withHelp, v.metadata({ shortName }));
}

function word(text: string): string | number {
  const trimmed = text.trim();
  return trimmed === "" || Number.isNaN(Number(trimmed)) ? trimmed : Number(trimmed);
}

import { VillaError } from "@villa/data";

/** A list of words: as a list, as JSON, or between `;` or `|`. @param what it is, for an error */
export function words(value: unknown, what: string): string[] {
  const list = typeof value === "string" && !value.trim().startsWith("[") ? value.split(/[;|]/) : fromJson(value, what);
  if (!isList(list)) fail(`its ${what} are not a list of words`);
  return Array.from(list, (item) => {
    if (typeof item !== "string") fail(`its ${what} are not a list of words`);
    return item.trim();
  }).filter((item) => item !== "");
}

/** What a cell of text tables holds as JSON; anything else as it is. */
export function fromJson(value: unknown, what: string): unknown {
  if (typeof value !== "string") return value;
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return fail(`its ${what} are not valid JSON`);
  }
}

/** An array, or a typed one as Parquet and Feather give them. */
export function isList(value: unknown): value is Iterable<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}

/** Each once, in order of appearance. */
export function distinct(list: readonly string[]): string[] {
  return [...new Set(list)];
}

/** @throws VillaError `InvalidFile` with a clause about the row */
export function fail(why: string): never {
  throw new VillaError("InvalidFile", why);
}

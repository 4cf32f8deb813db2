import { VillaError } from "../errors.ts";
import { describe } from "./describe.ts";

// What callers in plain JavaScript get wrong is told where it enters, not by whatever fails later.

/**
 * Every reader takes the contents of a file, not its path and not an ArrayBuffer.
 *
 * @throws VillaError `InvalidArgument`
 */
export function checkBytes(bytes: unknown): asserts bytes is Uint8Array {
  if (bytes instanceof Uint8Array) return;
  throw new VillaError(
    "InvalidArgument",
    `A reader takes the file's contents as a Uint8Array, not ${describe(bytes)}; read the file first.`,
  );
}

/** @param what names the argument, for a sentence: "A path" @throws VillaError `InvalidArgument` */
export function checkText(value: unknown, what: string): asserts value is string {
  if (typeof value !== "string") throw wrong(what, "a text", value);
}

/** @throws VillaError `InvalidArgument` unless it is a list, each item of which `is` accepts */
export function checkList<T = unknown>(
  value: unknown,
  what: string,
  is: (item: unknown) => item is T = (_): _ is T => true,
): asserts value is readonly T[] {
  if (!Array.isArray(value)) throw wrong(what, "a list", value);
  const at = value.findIndex((item) => !is(item));
  if (at >= 0) throw new VillaError("InvalidArgument", `${what} cannot hold ${describe(value[at])} (item ${at}).`);
}

/** @throws VillaError `InvalidArgument` for anything but an object; lists are none */
export function checkObject(value: unknown, what: string): void {
  if (!isObject(value)) throw wrong(what, "an object", value);
}

/** @throws VillaError `InvalidArgument` */
export function checkFunction(value: unknown, what: string): void {
  if (typeof value !== "function") throw wrong(what, "a function", value);
}

/** @throws VillaError `InvalidArgument` */
export function checkMap(value: unknown, what: string): void {
  if (!(value instanceof Map)) throw wrong(what, "a Map", value);
}

/** Whether a value is an object, and no list. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Whether a value is a text, for {@link checkList}. */
export function isText(value: unknown): value is string {
  return typeof value === "string";
}

function wrong(what: string, wanted: string, value: unknown): VillaError {
  return new VillaError("InvalidArgument", `${what} must be ${wanted}, not ${describe(value)}.`);
}

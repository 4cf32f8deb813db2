import { VillaError } from "../errors.ts";
import { describe } from "./describe.ts";

// Mistakes of callers in plain JavaScript are reported where they enter, not by whatever fails later.

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

/** @throws VillaError `InvalidArgument` unless it is an object that is not a list */
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

/**
 * What an argument has to be: a word for a kind ("text", "number", "count", "numbers", "Map", "tensor4", …) or a quoted
 * text, with " | " between alternatives; a list whose items follow a rule; or an object by its members. A member whose
 * name ends in "?" may be left out.
 */
export type ArgumentRule = string | readonly [ArgumentRule] | { readonly [member: string]: ArgumentRule };

/**
 * Says of a public function's argument which part of it is not what it should be, as "options.boxes[3] must be a list of
 * numbers, not null". Called where a caller enters, not inside of loops.
 *
 * @param name the argument's, with a "?" behind it when it may be left out
 * @throws VillaError `InvalidArgument`
 * @example checkArgument("options?", options, { boxes: ["numbers"], "threshold?": "number", "mode?": "'best' | 'all'" });
 */
export function checkArgument(name: string, value: unknown, rule: ArgumentRule): void {
  checkText(name, "name");
  if (!name.endsWith("?")) checkRule(name, value, rule);
  else if (value !== undefined) checkRule(name.slice(0, -1), value, rule);
}

function checkRule(name: string, value: unknown, rule: ArgumentRule): void {
  if (typeof rule === "string") {
    const kind = kindOf(rule);
    if (!kind.is(value)) throw wrong(name, kind.words, value);
  } else if (isRuleOfItems(rule)) {
    checkList(value, name);
    // Not forEach, which passes over the holes of a list.
    for (let i = 0; i < value.length; i++) checkRule(`${name}[${i}]`, value[i], rule[0]);
  } else {
    if (!isObject(value)) throw wrong(name, "an object", value);
    for (const [key, ofMember] of Object.entries(rule)) {
      checkArgument(`${name}.${key}`, value[key.endsWith("?") ? key.slice(0, -1) : key], ofMember);
    }
  }
}

function isRuleOfItems(rule: ArgumentRule): rule is readonly [ArgumentRule] {
  return Array.isArray(rule);
}

interface Kind {
  readonly words: string;
  readonly is: (value: unknown) => boolean;
}

const kindsByRule = new Map<string, Kind>();

function kindOf(rule: string): Kind {
  let kind = kindsByRule.get(rule);
  if (!kind) {
    const choices = rule.split(" | ").map((word) => kinds[word] ?? literal(word));
    const words = choices.map((choice) => choice.words).join(" or ");
    kind = choices.length === 1 ? choices[0]! : { words, is: (value) => choices.some(({ is }) => is(value)) };
    kindsByRule.set(rule, kind);
  }
  return kind;
}

/** @param word as `'png'` */
function literal(word: string): Kind {
  const text = word.slice(1, -1);
  return { words: `"${text}"`, is: (value) => value === text };
}

const kinds: Readonly<Record<string, Kind>> = {
  text: { words: "a text", is: isText },
  number: { words: "a number", is: (value) => typeof value === "number" && !Number.isNaN(value) },
  count: {
    words: "a whole number of at least 0",
    is: (value) => Number.isSafeInteger(value) && (value as number) >= 0,
  },
  size: { words: "a whole number above 0", is: (value) => Number.isSafeInteger(value) && (value as number) > 0 },
  bigint: { words: "a bigint", is: (value) => typeof value === "bigint" },
  boolean: { words: "true or false", is: (value) => typeof value === "boolean" },
  null: { words: "null", is: (value) => value === null },
  function: { words: "a function", is: (value) => typeof value === "function" },
  object: { words: "an object", is: isObject },
  list: { words: "a list", is: Array.isArray },
  numbers: { words: "a list of numbers", is: isNumbers },
  bytes: { words: "a Uint8Array", is: (value) => value instanceof Uint8Array },
  Map: { words: "a Map", is: (value) => value instanceof Map },
  Set: { words: "a Set", is: (value) => value instanceof Set },
  iterable: {
    words: "an array or another iterable",
    is: (value) => isObjectOrList(value) && (Symbol.iterator in value || Symbol.asyncIterator in value),
  },
  tensor: { words: "a tensor", is: (value) => isTensor(value) },
  ...Object.fromEntries(
    [0, 1, 2, 3, 4].map((rank) => [
      `tensor${rank}`,
      { words: `a tensor of rank ${rank}`, is: (value: unknown) => isTensor(value, rank) },
    ]),
  ),
};

/** A typed array, or a list of numbers; NaN is left to the functions that compute with them. */
function isNumbers(value: unknown): boolean {
  if (ArrayBuffer.isView(value)) return !(value instanceof DataView);
  return Array.isArray(value) && value.every((item) => typeof item === "number");
}

/** TensorFlow.js may be loaded twice, so its tensors are recognised by their members. */
function isTensor(value: unknown, rank?: number): boolean {
  if (!isObject(value) || typeof value.dispose !== "function" || !Array.isArray(value.shape)) return false;
  return rank === undefined || value.shape.length === rank;
}

function isObjectOrList(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

function wrong(what: string, wanted: string, value: unknown): VillaError {
  return new VillaError("InvalidArgument", `${what} must be ${wanted}, not ${describe(value)}.`);
}

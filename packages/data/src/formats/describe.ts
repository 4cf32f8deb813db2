/** Longest piece of foreign text that an error quotes, in characters. */
const longestQuote = 80;

/**
 * What a value from a file is, in a few words: "the number 3", "a list of 5", "a float32 array of shape [2, 3]".
 *
 * Errors must not be worded with `String(value)` or a template literal: a file can make a value whose text is longer
 * than a string can be, or that throws when it is asked for one. This looks at the value's type and size only, and
 * never at what its contents hold.
 */
export function describe(value: unknown): string {
  switch (typeof value) {
    case "string":
      return `the text ${quote(value)}`;
    case "number":
    case "boolean":
      return `${value}`;
    case "bigint":
      return value >= -(2n ** 64n) && value <= 2n ** 64n ? `${value}` : "a huge integer";
    case "undefined":
      return "nothing";
    case "object":
      return value === null ? "null" : describeObject(value);
    default:
      return `a ${typeof value}`;
  }
}

/**
 * A name or text from a file between quotation marks, for a sentence: at most 80 characters, control characters and
 * direction marks replaced, so that it can neither flood nor rearrange what it is printed on.
 */
export function quote(text: string): string {
  return `"${shorten(text)}"`;
}

/** {@link quote} without the marks. */
export function shorten(text: string): string {
  const short = text.length > longestQuote ? `${text.slice(0, longestQuote)}…` : text;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is being replaced
  return short.replace(/[\u0000-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, "?");
}

/** A shape as NumPy writes it, e.g. [2, 3]; long ones are cut off. */
export function describeShape(shape: readonly unknown[]): string {
  const sides = shape.slice(0, 8).map((side) => (typeof side === "number" ? `${side}` : describe(side)));
  return `[${sides.join(", ")}${shape.length > sides.length ? ", …" : ""}]`;
}

function describeObject(value: object): string {
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (value instanceof Map) return `a dict of ${value.size}`;
  if (value instanceof Set) return `a set of ${value.size}`;
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (ArrayBuffer.isView(value)) return "an array of numbers";
  const { dtype, shape, name } = value as { dtype?: unknown; shape?: unknown; name?: unknown };
  if (typeof dtype === "string" && Array.isArray(shape)) {
    return `an array of ${shorten(dtype)} of shape ${describeShape(shape)}`;
  }
  return typeof name === "string" ? shorten(name) : "an object";
}

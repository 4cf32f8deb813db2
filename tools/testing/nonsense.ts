import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

/** Never a valid argument: every function must refuse it. */
const never = Symbol("nonsense");

/** What callers get wrong. Some of it is valid for some functions, whose values are then taken as they are. */
const mistaken: readonly (readonly unknown[])[] = [
  [],
  ...[
    undefined,
    null,
    true,
    Number.NaN,
    -1,
    1.5,
    2 ** 40,
    "",
    "nonsense",
    10n,
    [],
    {},
    new Map(),
    Uint8Array.of(1, 2, 3),
  ].map((value) => [value]),
  ...[[[]], [[null]], [[{}]], [{ length: -1 }], [{ shape: [2], dtype: "float32", data: [1] }], [() => 1]],
  [{}, {}],
  [[], []],
  ["nonsense", "nonsense"],
  [[], null],
  [{}, null],
  [Uint8Array.of(1, 2, 3), null],
  [null, null, null],
  [1, 2, 3, 4],
];

/** Exceptions from what {@link testNonsense} asks of a package. */
export interface NonsenseOptions {
  /** Functions that any argument is right for: predicates, containers, those that need none. */
  readonly takesAnything?: readonly string[] | undefined;
  /** Functions that need no argument and then act: start threads, download. They only get what they have to refuse. */
  readonly acts?: readonly string[] | undefined;
  /** Functions that are not called at all. */
  readonly skip?: readonly string[] | undefined;
}

/**
 * Calls every function of a package's entry, and constructs every class, with arguments that mean nothing. Each has to
 * throw a `VillaError`, or reject with one.
 *
 * @example testNonsense("@villa/data", await import("../src/index.ts"), { takesAnything: ["isVillaError"] });
 */
export function testNonsense(
  name: string,
  entry: Readonly<Record<string, unknown>>,
  { takesAnything = [], acts = [], skip = [] }: NonsenseOptions = {},
): void {
  const functions = Object.entries(entry).filter(
    (pair): pair is [string, (...args: unknown[]) => unknown] =>
      typeof pair[1] === "function" && !skip.includes(pair[0]),
  );
  describe(`${name} answers nonsense with a VillaError`, () => {
    // Those that write, write here.
    const folder = mkdtempSync(join(tmpdir(), "villa-nonsense-"));
    const before = process.cwd();
    beforeAll(() => process.chdir(folder));
    afterAll(() => {
      process.chdir(before);
      rmSync(folder, { recursive: true, force: true });
    });
    test.each(functions)("%s", async (name, callee) => {
      const refusal = await outcome(callee, [never, never, never]);
      if (!takesAnything.includes(name)) expect(refusal, "a symbol is taken as an argument").toBeInstanceOf(Error);
      expect.soft(refusal, "three symbols").toSatisfy(isFine);
      for (const args of acts.includes(name) ? mistaken.filter(([first]) => isNoOptions(first)) : mistaken) {
        expect.soft(await outcome(callee, args), `(${args.map(words).join(", ")})`).toSatisfy(isFine);
      }
    });
  });
}

/** The error of a call, or undefined when it gives a value. */
async function outcome(callee: (...args: unknown[]) => unknown, args: readonly unknown[]): Promise<unknown> {
  try {
    const isClass = /^class\b/.test(Function.prototype.toString.call(callee));
    const value: unknown = isClass ? Reflect.construct(callee, args) : callee(...args);
    if (isIterator(value)) await value.next();
    await value;
    return undefined;
  } catch (error) {
    return error ?? "nothing was thrown";
  }
}

/** Generators begin their work when they are asked for the first item. */
function isIterator(value: unknown): value is AsyncIterator<unknown> {
  return typeof value === "object" && value !== null && "next" in value && typeof value.next === "function";
}

/** Whether a value cannot pass for options that all have defaults. */
function isNoOptions(value: unknown): boolean {
  return value !== undefined && (typeof value !== "object" || value === null || Array.isArray(value));
}

function isFine(error: unknown): boolean {
  return error === undefined || (error instanceof Error && error.name === "VillaError");
}

function words(value: unknown): string {
  return typeof value === "bigint" ? `${value}n` : (JSON.stringify(value) ?? String(value));
}

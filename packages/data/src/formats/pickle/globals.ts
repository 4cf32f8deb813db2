import { VillaError } from "../../errors.ts";

const globalTag = Symbol("pickle global");

/** Something a pickle may refer to as `module.name`. */
export interface PickleGlobal {
  readonly [globalTag]: true;
  readonly name: string;
  /** What calling it makes; absent for names that may only be mentioned. */
  readonly call?: ((args: readonly unknown[]) => unknown) | undefined;
}

/** Resolves `module.name`. @throws VillaError `UnsafeFile` for anything that is not on its list */
export type PickleGlobals = (module: string, name: string) => PickleGlobal;

/** An object under construction that takes its state from the pickle (Python's `__setstate__`). */
export interface PickleState {
  setState(state: unknown): void;
}

export function pickleGlobal(name: string, call?: (args: readonly unknown[]) => unknown): PickleGlobal {
  return { [globalTag]: true, name, call };
}

export function isPickleGlobal(value: unknown): value is PickleGlobal {
  return typeof value === "object" && value !== null && globalTag in value;
}

export function isPickleState(value: unknown): value is PickleState {
  return value instanceof StatefulObject;
}

/** Base of the values whose state a pickle sets after making them. */
export abstract class StatefulObject implements PickleState {
  abstract setState(state: unknown): void;
}

/**
 * A fixed list of globals. Names are "module.name".
 *
 * @param hint appended to the refusal, to tell what to do instead
 */
export function fixedGlobals(list: ReadonlyMap<string, PickleGlobal>, hint = ""): PickleGlobals {
  return (module, name) => {
    const known = list.get(`${module}.${name}`);
    if (!known) {
      throw new VillaError(
        "UnsafeFile",
        `The file's pickle refers to ${printable(module)}.${printable(name)}, which is not on the list of harmless constructors, so it is refused.${hint && ` ${hint}`}`,
      );
    }
    return known;
  };
}

/** Python's own harmless containers. */
export function builtinGlobals(): [string, PickleGlobal][] {
  const entries: [string, PickleGlobal][] = [];
  for (const module of ["builtins", "__builtin__"]) {
    entries.push([`${module}.set`, pickleGlobal("set", ([items]) => new Set(asArray(items)))]);
    entries.push([`${module}.frozenset`, pickleGlobal("frozenset", ([items]) => new Set(asArray(items)))]);
    entries.push([`${module}.list`, pickleGlobal("list", ([items]) => [...asArray(items)])]);
    entries.push([`${module}.tuple`, pickleGlobal("tuple", ([items]) => [...asArray(items)])]);
    entries.push([`${module}.dict`, pickleGlobal("dict", ([items]) => new Map(asPairs(items)))]);
  }
  entries.push(["collections.OrderedDict", pickleGlobal("OrderedDict", ([items]) => new Map(asPairs(items)))]);
  return entries;
}

function asArray(items: unknown): readonly unknown[] {
  if (items === undefined) return [];
  if (items instanceof Set) return [...items];
  if (!Array.isArray(items)) throw new VillaError("InvalidFile", "The pickle makes a container of something else.");
  return items;
}

function asPairs(items: unknown): [unknown, unknown][] {
  if (items instanceof Map) return [...items];
  return asArray(items).map((pair) => {
    if (!Array.isArray(pair) || pair.length !== 2) {
      throw new VillaError("InvalidFile", "The pickle makes a dict of something that is not pairs.");
    }
    return [pair[0], pair[1]];
  });
}

/** Hostile names may hold control characters or be very long. */
function printable(name: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is being replaced
  return name.slice(0, 100).replace(/[\u0000-\u001f\u007f-\u009f]/g, "?");
}

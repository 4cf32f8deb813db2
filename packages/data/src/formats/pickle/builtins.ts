import { VillaError } from "../../errors.ts";
import type { Allowance } from "../limits.ts";
import { latin1ToBytes } from "./byte-reader.ts";
import { type PickleGlobal, pickleGlobal, StatefulObject } from "./globals.ts";
import { containerCost } from "./stack.ts";

/** What `argparse.Namespace` becomes: its attributes. */
class Namespace extends StatefulObject {
  readonly attributes = new Map<unknown, unknown>();

  setState(state: unknown): void {
    if (!(state instanceof Map)) throw malformed("a Namespace without attributes");
    for (const [name, value] of state) this.attributes.set(name, value);
  }
}

/** Python's own harmless constructors. Their arguments are checked, and their copies charged to `allowance`. */
export function builtinGlobals(allowance: Allowance): [string, PickleGlobal][] {
  const list = (items: unknown): unknown[] => {
    const values = asArray(items);
    allowance.take(containerCost.empty + containerCost.listItem * values.length, "A list");
    return [...values];
  };
  const set = (items: unknown): Set<unknown> => {
    const values = asArray(items);
    allowance.take(containerCost.empty + containerCost.mapItem * values.length, "A set");
    return new Set(values);
  };
  const dict = (items: unknown): Map<unknown, unknown> => {
    const count = items instanceof Map ? items.size : asArray(items).length;
    allowance.take(containerCost.empty + containerCost.mapItem * count, "A dict");
    return new Map(asPairs(items));
  };
  const entries: [string, PickleGlobal][] = [];
  const add = (name: string, most: number, call: (args: readonly unknown[]) => unknown) => {
    const checked = (args: readonly unknown[]): unknown => {
      if (args.length > most) throw malformed(`${name} with ${args.length} arguments`);
      return call(args);
    };
    const global = pickleGlobal(name, checked);
    if (name.includes(".")) entries.push([name, global]);
    else for (const module of ["builtins", "__builtin__"]) entries.push([`${module}.${name}`, global]);
  };
  add("set", 1, ([items]) => set(items));
  add("frozenset", 1, ([items]) => set(items));
  add("list", 1, ([items]) => list(items));
  add("tuple", 1, ([items]) => list(items));
  add("dict", 1, ([items]) => dict(items));
  add("collections.OrderedDict", 1, ([items]) => dict(items));
  add("collections.Counter", 1, ([counts]) => dict(counts));
  add("bytearray", 2, ([contents, codec]) => byteArray(contents, codec));
  add("complex", 2, (args) => complex(args));
  add("argparse.Namespace", 0, () => new Namespace());
  add("_codecs.encode", 2, ([text, codec]) => encodeLatin1(text, codec));
  return entries;
}

function asArray(items: unknown): readonly unknown[] {
  if (items === undefined) return [];
  if (items instanceof Set) return [...items];
  if (!Array.isArray(items)) throw malformed("a container made of something else");
  return items;
}

function asPairs(items: unknown): [unknown, unknown][] {
  if (items instanceof Map) return [...items];
  return asArray(items).map((pair) => {
    if (!Array.isArray(pair) || pair.length !== 2) throw malformed("a dict made of something that is not pairs");
    return [pair[0], pair[1]];
  });
}

function byteArray(contents: unknown, codec: unknown): Uint8Array {
  if (contents === undefined) return new Uint8Array(0);
  if (contents instanceof Uint8Array && codec === undefined) return contents;
  return encodeLatin1(contents, codec);
}

/** Protocol 2 has no bytes: Python 3 writes them as a call that encodes a string. */
function encodeLatin1(text: unknown, codec: unknown): Uint8Array {
  if (typeof text !== "string" || (codec !== "latin1" && codec !== "latin-1")) throw malformed("a broken byte string");
  return latin1ToBytes(text);
}

/** A Python complex number, as a NumPy scalar would come. */
function complex([real = 0, imaginary = 0]: readonly unknown[]): unknown {
  if (typeof real !== "number" || typeof imaginary !== "number") throw malformed("a broken complex number");
  return { dtype: "complex128", shape: [], data: Float64Array.of(real, imaginary) };
}

function malformed(what: string): VillaError {
  return new VillaError("InvalidFile", `The pickle is malformed: it has ${what}.`);
}

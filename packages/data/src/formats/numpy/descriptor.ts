import { VillaError } from "../../errors.ts";
import { describe, quote } from "../describe.ts";
import type { DataType } from "../tensor.ts";
import type { NpyArray } from "./array.ts";

/** A NumPy dtype string such as "<f4", taken apart. */
export interface NumpyType {
  readonly dtype: NpyArray["dtype"];
  /** Bytes of one element (of one character for `unicode`: 4). */
  readonly itemSize: number;
  /** Characters of a `unicode` or `bytes` element. */
  readonly characters: number;
  readonly bigEndian: boolean;
}

const numeric: Readonly<Record<string, DataType | "complex64" | "complex128">> = {
  f8: "float64",
  f4: "float32",
  f2: "float16",
  i8: "int64",
  i4: "int32",
  i2: "int16",
  i1: "int8",
  u8: "uint64",
  u4: "uint32",
  u2: "uint16",
  u1: "uint8",
  b1: "bool",
  c8: "complex64",
  c16: "complex128",
};

const descriptors = Object.fromEntries(Object.entries(numeric).map(([code, dtype]) => [dtype, code]));

/** Other spellings that NumPy understands, on the 64-bit machines of today. */
const spellings = new Map(
  Object.entries({
    ...descriptors,
    "?": "b1",
    b: "i1",
    B: "u1",
    h: "i2",
    H: "u2",
    i: "i4",
    I: "u4",
    l: "i8",
    L: "u8",
    q: "i8",
    Q: "u8",
    e: "f2",
    f: "f4",
    d: "f8",
    F: "c8",
    D: "c16",
    half: "f2",
    single: "f4",
    double: "f8",
    float: "f8",
    int: "i8",
    complex: "c16",
  }),
);

/** Longest string element that is read, in characters. */
const longestText = 1 << 20;

/** @throws VillaError `Unsupported` for dates, structured types and the like */
export function parseDescriptor(descriptor: string): NumpyType {
  const unsupported = () => new VillaError("Unsupported", `NumPy arrays of type ${quote(descriptor)} cannot be read.`);
  const prefix = /^[<>|=]/.exec(descriptor)?.[0] ?? "";
  const code = descriptor.slice(prefix.length);
  const match = /^([<>|=]?)([a-zA-Z])(\d{0,10})$/.exec(prefix + (spellings.get(code) ?? code));
  if (!match) throw unsupported();
  const [, order, kind, digits] = match;
  const bigEndian = order === ">";
  if (kind === "O") return { dtype: "object", itemSize: 8, characters: 0, bigEndian: false };
  if (kind === "U" || kind === "S") {
    const characters = Number(digits);
    if (characters > longestText) {
      throw new VillaError("UnsafeFile", `NumPy strings of ${digits} characters are longer than anything expected.`);
    }
    const itemSize = kind === "U" ? 4 * characters : characters;
    return { dtype: kind === "U" ? "unicode" : "bytes", itemSize, characters, bigEndian };
  }
  const dtype = Object.hasOwn(numeric, `${kind}${digits}`) ? numeric[`${kind}${digits}`] : undefined;
  if (!dtype) throw unsupported();
  return { dtype, itemSize: Number(digits), characters: 0, bigEndian };
}

/**
 * The dtype string NumPy writes for a numeric type on a little-endian machine.
 *
 * @throws VillaError `Unsupported` for bfloat16, which NumPy lacks
 */
export function numericDescriptor(dtype: DataType | "complex64" | "complex128"): string {
  const code = Object.hasOwn(descriptors, dtype) ? descriptors[dtype] : undefined;
  if (!code) throw new VillaError("Unsupported", `NumPy has no type ${describe(dtype)}; convert to float32 first.`);
  return `${code.endsWith("1") ? "|" : "<"}${code}`;
}

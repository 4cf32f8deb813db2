import { VillaError } from "../../errors.ts";
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

/** Longest string element that is read, in characters. */
const longestText = 1 << 20;

/** @throws VillaError `Unsupported` for dates, structured types and the like */
export function parseDescriptor(descriptor: string): NumpyType {
  const match = /^([<>|=]?)([a-zA-Z])(\d*)$/.exec(descriptor);
  if (!match) throw new VillaError("Unsupported", `NumPy arrays of type "${descriptor}" cannot be read.`);
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
  if (!dtype) throw new VillaError("Unsupported", `NumPy arrays of type "${descriptor}" cannot be read.`);
  return { dtype, itemSize: Number(digits), characters: 0, bigEndian };
}

/**
 * The dtype string NumPy writes for a numeric type on a little-endian machine.
 *
 * @throws VillaError `Unsupported` for bfloat16, which NumPy lacks
 */
export function numericDescriptor(dtype: DataType | "complex64" | "complex128"): string {
  const code = descriptors[dtype];
  if (!code) throw new VillaError("Unsupported", `NumPy has no ${dtype}; convert to float32 first.`);
  return `${code.endsWith("1") ? "|" : "<"}${code}`;
}

import { VillaError } from "../../errors.ts";
import { describe } from "../describe.ts";
import { isTensorData, type TensorData } from "../tensor.ts";

/** Complex numbers: real and imaginary parts interleaved, `data.length` = 2 × product of `shape`. */
export interface ComplexArray {
  dtype: "complex64" | "complex128";
  shape: number[];
  data: Float32Array | Float64Array;
}

/** Strings of a NumPy `U` (`unicode`) or `S` (`bytes`, read as Latin-1) array, without their padding. */
export interface TextArray {
  dtype: "unicode" | "bytes";
  shape: number[];
  data: string[];
}

/** Python objects: numbers, strings, lists (arrays), dicts (Maps), and arrays as {@link NpyArray}. */
export interface ObjectArray {
  dtype: "object";
  shape: number[];
  data: unknown[];
}

/** Everything an NPY file can hold here. */
export type NpyArray = TensorData | ComplexArray | TextArray | ObjectArray;

/**
 * The array if it is numeric.
 *
 * @param what names the array in the error
 * @throws VillaError `InvalidFile`
 */
export function expectTensor(array: unknown, what: string): TensorData {
  if (isTensorData(array)) return array;
  throw new VillaError("InvalidFile", `${what} should be a numeric array, but is ${describe(array)}.`);
}

/** True for an {@link ObjectArray}. */
export function isObjectArray(array: unknown): array is ObjectArray {
  return typeof array === "object" && array !== null && "dtype" in array && array.dtype === "object";
}

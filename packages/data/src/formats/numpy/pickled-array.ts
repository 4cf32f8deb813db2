import { VillaError } from "../../errors.ts";
import { describe } from "../describe.ts";
import type { Allowance } from "../limits.ts";
import { latin1ToBytes } from "../pickle/byte-reader.ts";
import { StatefulObject } from "../pickle/globals.ts";
import { elementCount, isTensorData } from "../tensor.ts";
import type { NpyArray } from "./array.ts";
import { decodeArray, transposeElements } from "./decode.ts";
import { type NumpyType, parseDescriptor } from "./descriptor.ts";

/** A dtype under construction: "f4" from its constructor, the byte order from its state. */
export class PickledType extends StatefulObject {
  readonly #name: string;
  #bigEndian = false;

  constructor(descriptor: unknown) {
    super();
    if (typeof descriptor !== "string") throw malformed("dtype");
    this.#name = descriptor;
  }

  /** NumPy 2's strings of variable width. */
  get isVariableText(): boolean {
    return this.#name === "StringDType";
  }

  get type(): NumpyType {
    const type = parseDescriptor(this.#name);
    return { ...type, bigEndian: type.bigEndian || this.#bigEndian };
  }

  /** (version, byte order, subarray, names, fields, item size, alignment, flags[, metadata]) */
  setState(state: unknown): void {
    if (!Array.isArray(state) || state.length < 8 || state.length > 9) throw malformed("dtype");
    const [, order, subarray, names, fields, itemSize] = state as unknown[];
    if (subarray !== null || names !== null || fields !== null) {
      throw new VillaError("Unsupported", "NumPy arrays of structured types cannot be read.");
    }
    if (order !== "<" && order !== ">" && order !== "|" && order !== "=") throw malformed("dtype");
    this.#bigEndian = order === ">";
    if (itemSize !== -1 && itemSize !== this.type.itemSize) throw malformed("dtype");
  }
}

/**
 * An array under construction: it becomes a {@link NpyArray} in place, so that every reference in the pickle sees the
 * result.
 */
export class PickledArray extends StatefulObject {
  declare dtype: NpyArray["dtype"];
  declare shape: number[];
  declare data: NpyArray["data"];
  readonly #allowance: Allowance;

  constructor(allowance: Allowance) {
    super();
    this.#allowance = allowance;
  }

  /** (version, shape, dtype, is Fortran-ordered, contents) */
  setState(state: unknown): void {
    if (!Array.isArray(state) || state.length !== 5) throw malformed("array");
    const [, shape, dtype, fortranOrder, contents] = state as unknown[];
    if (!isShape(shape) || !(dtype instanceof PickledType)) throw malformed("array");
    if (typeof fortranOrder !== "boolean" && fortranOrder !== 0 && fortranOrder !== 1) throw malformed("array");
    Object.assign(this, this.#decode([...shape], dtype, Boolean(fortranOrder), contents));
  }

  /** Elements in the order of `shape`, whose axes are then put into `axisOrder`, as `ndarray.transpose` does. */
  setTransposed(shape: unknown, dtype: unknown, contents: unknown, axisOrder: unknown): void {
    if (!isShape(shape) || !(dtype instanceof PickledType) || !Array.isArray(axisOrder)) throw malformed("array");
    const axes = axisOrder as unknown[];
    const isPermutation = axes.length === shape.length && shape.every((_, axis) => axes.includes(axis));
    if (!isPermutation) throw malformed("array");
    const array = this.#decode([...shape], dtype, false, contents);
    if (!isTensorData(array)) throw new VillaError("Unsupported", `A transposed ${describe(array)} cannot be read.`);
    Object.assign(this, transposeElements(array, axes as number[], this.#allowance));
  }

  #decode(shape: number[], dtype: PickledType, fortranOrder: boolean, contents: unknown): NpyArray {
    if (dtype.isVariableText) return variableText(shape, contents);
    const { type } = dtype;
    if (type.dtype === "object") {
      if (!Array.isArray(contents) || contents.length !== elementCount(shape)) throw malformed("array of objects");
      return { dtype: "object", shape, data: contents };
    }
    const bytes = typeof contents === "string" ? latin1ToBytes(contents) : contents;
    if (!(bytes instanceof Uint8Array) || bytes.length !== elementCount(shape) * type.itemSize)
      throw malformed("array");
    return decodeArray(bytes, { type, shape, fortranOrder, allowance: this.#allowance });
  }
}

/** Missing strings (the type's `na_object`) make it an array of objects. */
function variableText(shape: number[], contents: unknown): NpyArray {
  if (!Array.isArray(contents) || contents.length !== elementCount(shape)) throw malformed("array of strings");
  const isText = contents.every((item) => typeof item === "string");
  return isText ? { dtype: "unicode", shape, data: contents } : { dtype: "object", shape, data: contents };
}

/** A NumPy scalar as a plain value; complex numbers as an array without axes. */
export function readScalar(dtype: unknown, contents: unknown, allowance: Allowance): unknown {
  const bytes = typeof contents === "string" ? latin1ToBytes(contents) : contents;
  if (!(dtype instanceof PickledType) || dtype.isVariableText) throw malformed("scalar");
  const { type } = dtype;
  if (!(bytes instanceof Uint8Array) || bytes.length !== type.itemSize) throw malformed("scalar");
  const array = decodeArray(bytes, { type, shape: [], fortranOrder: false, allowance });
  const value = array.data[0];
  if (!isTensorData(array)) return array.dtype === "unicode" || array.dtype === "bytes" ? value : array;
  if (typeof value === "bigint") return Number.isSafeInteger(Number(value)) ? Number(value) : value;
  return array.dtype === "bool" ? value === 1 : value;
}

/** The error for NumPy values that no NumPy writes. */
export function malformed(what: string): VillaError {
  return new VillaError("InvalidFile", `The pickle is malformed: it has a broken NumPy ${what}.`);
}

function isShape(shape: unknown): shape is number[] {
  return Array.isArray(shape) && shape.length <= 64 && shape.every((side) => Number.isSafeInteger(side) && side >= 0);
}

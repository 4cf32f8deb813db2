import { VillaError } from "../../errors.ts";
import { describeShape } from "../describe.ts";
import type { Allowance } from "../limits.ts";
import { decodeElements, elementCount, type TensorData } from "../tensor.ts";
import type { NpyArray } from "./array.ts";
import type { NumpyType } from "./descriptor.ts";

/** How elements lie in memory, and how to read them. */
interface Layout {
  readonly type: NumpyType;
  readonly shape: number[];
  readonly fortranOrder: boolean;
  readonly allowance: Allowance;
  /** Leave float16 as its bits. */
  readonly raw?: boolean | undefined;
}

/**
 * Elements of any type but objects, from raw bytes to a row-major array.
 *
 * @throws VillaError `InvalidFile` when there are fewer bytes than the shape needs
 */
export function decodeArray(
  bytes: Uint8Array,
  { type, shape, fortranOrder, allowance, raw = false }: Layout,
): NpyArray {
  const count = elementCount(shape);
  const needed = count * type.itemSize;
  if (!(needed <= bytes.length)) {
    throw new VillaError(
      "InvalidFile",
      `The array is truncated: shape ${describeShape(shape)} of ${type.dtype} needs ${needed} bytes, but only ${bytes.length} are there.`,
    );
  }
  let elements = bytes.subarray(0, needed);
  const reorder = fortranOrder && shape.length > 1 && count > 0;
  if (type.bigEndian || reorder) {
    allowance.take(needed, "The array");
    allowance.work(needed, "The array");
  }
  if (type.bigEndian) elements = swapBytes(elements, wordSize(type));
  if (reorder) elements = toRowMajor(elements, shape, type.itemSize);
  switch (type.dtype) {
    case "unicode":
    case "bytes":
      allowance.take(needed + count * 32, "The array");
      allowance.work(needed + count, "The array");
      return { dtype: type.dtype, shape, data: decodeText(elements, type, count) };
    case "complex64":
      return { dtype: "complex64", shape, data: decodeElements(elements, "float32", [count * 2]).data as Float32Array };
    case "complex128":
      return {
        dtype: "complex128",
        shape,
        data: decodeElements(elements, "float64", [count * 2]).data as Float64Array,
      };
    case "object":
      throw new VillaError("InvalidFile", "An array of objects has no raw elements.");
    case "float16":
      if (!raw) allowance.take(needed * 2, "The array");
      return decodeElements(elements, "float16", shape, { raw });
    default:
      return truthful(decodeElements(elements, type.dtype, shape));
  }
}

/** NumPy writes booleans as 0 and 1; any other byte counts as true there and becomes 1 here. */
function truthful(tensor: TensorData): TensorData {
  if (tensor.dtype !== "bool" || !(tensor.data as Uint8Array).some((value) => value > 1)) return tensor;
  return { ...tensor, data: Uint8Array.from(tensor.data as Uint8Array, (value) => (value ? 1 : 0)) };
}

/** Characters that are joined in one call. */
const codesAtOnce = 4096;

function wordSize({ dtype, itemSize }: NumpyType): number {
  if (dtype === "unicode") return 4;
  if (dtype === "bytes") return 1;
  return dtype.startsWith("complex") ? itemSize / 2 : itemSize;
}

function swapBytes(bytes: Uint8Array, size: number): Uint8Array {
  const out = new Uint8Array(bytes.length);
  for (let i = 0; i < bytes.length; i += size) {
    for (let k = 0; k < size; k++) out[i + k] = bytes[i + size - 1 - k]!;
  }
  return out;
}

/** Column-major to row-major, element by element. */
function toRowMajor(bytes: Uint8Array, shape: readonly number[], size: number): Uint8Array {
  const out = new Uint8Array(bytes.length);
  // Bytes between neighbours along each axis of the column-major source.
  const strides: number[] = [];
  shape.reduce((stride, side) => {
    strides.push(stride);
    return stride * side;
  }, size);
  const index = new Array<number>(shape.length).fill(0);
  let source = 0;
  for (let target = 0; target < out.length; target += size) {
    for (let k = 0; k < size; k++) out[target + k] = bytes[source + k]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      source += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      source -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return out;
}

/** A numeric array with its axes in another order, as `ndarray.transpose(axes)` gives. */
export function transposeElements(array: TensorData, axes: readonly number[], allowance: Allowance): TensorData {
  const { shape, data } = array;
  allowance.take(data.byteLength, "The array");
  allowance.work(8 * data.length, "The array");
  const strides = new Array<number>(shape.length).fill(1);
  for (let axis = shape.length - 2; axis >= 0; axis--) strides[axis] = strides[axis + 1]! * shape[axis + 1]!;
  const sides = axes.map((axis) => shape[axis]!);
  const steps = axes.map((axis) => strides[axis]!);
  const out = data.slice();
  const index = new Array<number>(sides.length).fill(0);
  let source = 0;
  for (let i = 0; i < out.length; i++) {
    out[i] = data[source]! as never;
    for (let axis = sides.length - 1; axis >= 0; axis--) {
      source += steps[axis]!;
      if (++index[axis]! < sides[axis]!) break;
      source -= steps[axis]! * sides[axis]!;
      index[axis] = 0;
    }
  }
  return { ...array, shape: sides, data: out };
}

function decodeText(bytes: Uint8Array, { dtype, itemSize, characters }: NumpyType, count: number): string[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const width = dtype === "unicode" ? 4 : 1;
  const codeAt = (at: number): number => (width === 4 ? view.getUint32(at, true) : bytes[at]!);
  return Array.from({ length: count }, (_, i) => {
    const start = i * itemSize;
    let length = characters;
    while (length > 0 && codeAt(start + width * (length - 1)) === 0) length--;
    let text = "";
    for (let from = 0; from < length; from += codesAtOnce) {
      const codes = Array.from({ length: Math.min(codesAtOnce, length - from) }, (_, k) =>
        codeAt(start + width * (from + k)),
      );
      if (codes.some((code) => code > 0x10ffff)) {
        throw new VillaError("InvalidFile", "The array holds a string with an invalid character.");
      }
      text += String.fromCodePoint(...codes);
    }
    return text;
  });
}

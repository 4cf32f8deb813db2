import { VillaError } from "../errors.ts";
import { checkObject, checkText } from "./check-arguments.ts";
import { describe, describeShape } from "./describe.ts";
import { float8ToFloat32, float32ToFloat8, isFloat8 } from "./float8.ts";
import { bfloat16ToFloat32, float16ToFloat32, float32ToBfloat16, float32ToFloat16 } from "./half.ts";

/** Element types that files of this package hold. The names are NumPy's, plus `bfloat16` and torch's 8-bit floats. */
export type DataType =
  | "float64"
  | "float32"
  | "float16"
  | "bfloat16"
  | "float8_e4m3fn"
  | "float8_e5m2"
  | "int64"
  | "int32"
  | "int16"
  | "int8"
  | "uint64"
  | "uint32"
  | "uint16"
  | "uint8"
  | "bool";

/** The arrays that can hold the values of a {@link TensorData}. */
export type TypedArray =
  | Float64Array
  | Float32Array
  | BigInt64Array
  | Int32Array
  | Int16Array
  | Int8Array
  | BigUint64Array
  | Uint32Array
  | Uint16Array
  | Uint8Array;

/**
 * A dense array as files hold it: row-major and contiguous, `data.length` = product of `shape`.
 *
 * `dtype` is the type in the file. `data` is the JavaScript array of that type, except that floats of 16 and 8 bits are
 * widened to `Float32Array` (or left as their bits in a `Uint16Array` or `Uint8Array` when read with `raw`), and `bool`
 * is a `Uint8Array` of 0 and 1. After reading, `data` may be a view of the file's bytes: copy it before changing it.
 */
export interface TensorData {
  dtype: DataType;
  shape: number[];
  data: TypedArray;
}

const itemSizes: Readonly<Record<DataType, number>> = {
  float64: 8,
  float32: 4,
  float16: 2,
  bfloat16: 2,
  float8_e4m3fn: 1,
  float8_e5m2: 1,
  int64: 8,
  int32: 4,
  int16: 2,
  int8: 1,
  uint64: 8,
  uint32: 4,
  uint16: 2,
  uint8: 1,
  bool: 1,
};

const constructors = {
  float64: Float64Array,
  float32: Float32Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  float8_e4m3fn: Uint8Array,
  float8_e5m2: Uint8Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int16: Int16Array,
  int8: Int8Array,
  uint64: BigUint64Array,
  uint32: Uint32Array,
  uint16: Uint16Array,
  uint8: Uint8Array,
  bool: Uint8Array,
} as const;

/** Bytes of one element in a file. */
export function itemSize(dtype: DataType): number {
  return itemSizes[dtype];
}

/** True for floats of 16 and 8 bits, for which JavaScript has no arrays. */
export function isNarrowFloat(dtype: DataType): boolean {
  return dtype === "float16" || dtype === "bfloat16" || isFloat8(dtype);
}

/** True for a name of {@link DataType}. */
function isDataType(name: string): name is DataType {
  return Object.hasOwn(itemSizes, name);
}

/**
 * Product of the sides of `shape`.
 *
 * @throws VillaError `InvalidFile` when a side is not a whole number ≥ 0 or the product is not exactly representable.
 */
export function elementCount(shape: readonly number[]): number {
  if (!Array.isArray(shape))
    throw new VillaError("InvalidArgument", `A shape must be a list of side lengths, not ${describe(shape)}.`);
  let count = 1;
  let empty = false;
  for (const side of shape) {
    if (!Number.isSafeInteger(side) || side < 0) {
      throw new VillaError(
        "InvalidFile",
        `The shape ${describeShape(shape)} has a side length that is not a whole number.`,
      );
    }
    if (side === 0) empty = true;
    else count *= side;
    if (!Number.isSafeInteger(count)) {
      throw new VillaError("UnsafeFile", `The shape ${describeShape(shape)} is too large to exist in memory.`);
    }
  }
  return empty ? 0 : count;
}

/** True for any object of {@link TensorData}'s form, as opposed to text, object or complex arrays. */
export function isTensorData(value: unknown): value is TensorData {
  if (typeof value !== "object" || value === null) return false;
  const { dtype, shape, data } = value as Partial<TensorData>;
  return typeof dtype === "string" && isDataType(dtype) && Array.isArray(shape) && ArrayBuffer.isView(data);
}

/**
 * Reads little-endian elements. The result is a view of `bytes` where alignment and type allow, else a copy.
 *
 * @param bytes at least `itemSize(dtype)` × product of `shape` bytes
 * @param options.raw leave float16 and bfloat16 as their bits
 */
export function decodeElements(
  bytes: Uint8Array,
  dtype: DataType,
  shape: number[],
  options: { raw?: boolean | undefined } = {},
): TensorData {
  const count = elementCount(shape);
  const stored = storedArray(bytes, dtype, count);
  return { dtype, shape, data: options.raw ? stored : (widened(stored, dtype) ?? stored) };
}

/** The little-endian bytes of a tensor as a file stores them: a view of `data` unless floats have to be narrowed. */
export function encodeElements(tensor: TensorData): Uint8Array {
  checkTensor(tensor);
  const stored = narrowed(tensor);
  return new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength);
}

/** All elements as float32 (int64 and float64 are rounded); `data` itself when it is float32 already. */
export function toFloat32(tensor: TensorData): Float32Array {
  checkTensor(tensor);
  const { data, dtype } = tensor;
  if (data instanceof Float32Array) return data;
  const wide = widened(data, dtype);
  if (wide) return wide;
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) {
    const floats = new Float32Array(data.length);
    for (let i = 0; i < floats.length; i++) floats[i] = Number(data[i]);
    return floats;
  }
  return Float32Array.from(data);
}

/**
 * Checks that `data` is the right array for `dtype` and as long as `shape` says.
 *
 * @throws VillaError `InvalidArgument`
 */
export function checkTensor(tensor: TensorData): void {
  checkObject(tensor, "A tensor");
  const { dtype, shape, data } = tensor;
  if (typeof dtype !== "string" || !isDataType(dtype)) {
    throw new VillaError("InvalidArgument", `There is no data type ${describe(dtype)}.`);
  }
  if (!Array.isArray(shape) || !ArrayBuffer.isView(data)) {
    throw new VillaError("InvalidArgument", `A ${dtype} tensor must have a shape and data.`);
  }
  const isWide = isNarrowFloat(dtype) && data instanceof Float32Array;
  if (!isWide && !(data instanceof constructors[dtype])) {
    throw new VillaError("InvalidArgument", `A ${dtype} tensor must hold a ${constructors[dtype].name}.`);
  }
  const valid = shape.every((side) => Number.isSafeInteger(side) && side >= 0);
  const count = valid ? shape.reduce((product, side) => product * side, 1) : -1;
  if (data.length !== count) {
    throw new VillaError(
      "InvalidArgument",
      `A tensor of shape ${describeShape(shape)} cannot hold ${data.length} elements.`,
    );
  }
}

/** A zero-filled array of the type that stores `dtype` in files (halves as their bits). */
export function newStoredArray(dtype: DataType, count: number): TypedArray {
  return new constructors[dtype](count);
}

/** `count` elements at the start of `bytes`, as a view where alignment allows. Halves stay bits. */
export function storedArray(bytes: Uint8Array, dtype: DataType, count: number): TypedArray {
  const size = itemSize(dtype);
  if (bytes.byteLength < count * size) {
    throw new VillaError(
      "InvalidFile",
      `The file is truncated: ${count} ${dtype} elements need ${count * size} bytes, but only ${bytes.byteLength} are there.`,
    );
  }
  const aligned = bytes.byteOffset % size === 0;
  // Not `slice`: on a Node Buffer that is a view, as unaligned as before.
  const source = aligned ? bytes : new Uint8Array(bytes.subarray(0, count * size));
  return new constructors[dtype](source.buffer as ArrayBuffer, source.byteOffset, count);
}

/** Floats of 16 and 8 bits, held as their bits, as float32; undefined for other types. */
function widened(bits: TypedArray, dtype: DataType): Float32Array | undefined {
  if (bits instanceof Uint16Array && dtype === "float16") return float16ToFloat32(bits);
  if (bits instanceof Uint16Array && dtype === "bfloat16") return bfloat16ToFloat32(bits);
  if (bits instanceof Uint8Array && isFloat8(dtype)) return float8ToFloat32(bits, dtype);
  return undefined;
}

function narrowed({ dtype, data }: TensorData): TypedArray {
  if (dtype === "float16" && data instanceof Float32Array) return float32ToFloat16(data);
  if (dtype === "bfloat16" && data instanceof Float32Array) return float32ToBfloat16(data);
  if (isFloat8(dtype) && data instanceof Float32Array) return float32ToFloat8(data, dtype);
  return data;
}

/**
 * Checks that weights are numbers.
 *
 * @param name of the tensor, for the message
 * @throws VillaError `NotFinite` naming the tensor and the first value that is NaN or infinite
 */
export function checkFinite(name: string, tensor: Pick<TensorData, "dtype" | "data">): void {
  checkText(name, "The name of a tensor");
  checkObject(tensor, "A tensor");
  const { dtype, data } = tensor;
  if (!ArrayBuffer.isView(data)) throw new VillaError("InvalidArgument", `The tensor "${name}" has no data.`);
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) return;
  // Halves left as bits: all exponent bits set means infinity or NaN.
  const exponent = data instanceof Uint16Array ? { float16: 0x7c00, bfloat16: 0x7f80 }[dtype as string] : undefined;
  for (let i = 0; i < data.length; i++) {
    const value = data[i]!;
    if (exponent === undefined ? Number.isFinite(value) : (value & exponent) !== exponent) continue;
    throw new VillaError(
      "NotFinite",
      `The weights hold ${exponent === undefined ? value : "NaN or infinity"} at element ${i} of "${name}"; the file is damaged or its training diverged.`,
    );
  }
}

import { VillaError } from "../../errors.ts";
import { float16ToFloat32 } from "../half.ts";
import { Allowance } from "../limits.ts";
import { elementCount, encodeElements, newStoredArray, storedArray, type TensorData } from "../tensor.ts";
import { openZip } from "../zip/reader.ts";
import { type CompressionLevel, writeZip, zipMember } from "../zip/writer.ts";
import { expectTensor } from "./array.ts";
import { type NpyOptions, readNpyWithin, writeNpy } from "./npy.ts";

/**
 * Reads an array saved by pydata/sparse's `save_npz(COO(…))` and expands it.
 *
 * @returns dense row-major array; elements without coordinates hold the file's fill value
 * @throws VillaError `InvalidFile` when members are missing or coordinates lie outside the shape, `Unsupported` for
 *   pydata/sparse's GCXS format, `UnsafeFile` when the dense array would exceed the memory limit
 */
export function readSparseCoo(bytes: Uint8Array, options: NpyOptions = {}): TensorData {
  const archive = openZip(bytes, "sparse array", options);
  if (archive.entries.has("indptr.npy")) {
    throw new VillaError("Unsupported", "The sparse array is in GCXS format; save it as COO.");
  }
  const allowance = new Allowance(bytes.length, options);
  const member = (name: string): TensorData =>
    expectTensor(readNpyWithin(archive.read(`${name}.npy`), allowance, { ...options, raw: true }), `Member "${name}"`);
  const shape = Array.from(member("shape").data, Number);
  const values = member("data");
  const coords = member("coords");
  const rank = shape.length;
  const stored = values.data.length;
  if (coords.shape.length !== 2 || coords.shape[0] !== rank || coords.shape[1] !== stored) {
    throw new VillaError(
      "InvalidFile",
      `The sparse array has ${stored} values of rank ${rank}, but coordinates of shape [${coords.shape}].`,
    );
  }
  const count = elementCount(shape);
  allowance.take(count * values.data.BYTES_PER_ELEMENT, "The dense array");
  const dense = newStoredArray(values.dtype, count);
  if (archive.entries.has("fill_value.npy")) fill(dense, member("fill_value"));
  scatter(dense, values, coordinateNumbers(coords), shape);
  if (options.raw || values.dtype !== "float16") return { dtype: values.dtype, shape, data: dense };
  allowance.take(4 * count, "The dense array");
  return { dtype: "float16", shape, data: float16ToFloat32(dense as Uint16Array) };
}

/** Options of {@link writeSparseCoo}. */
export interface SparseWriteOptions {
  /**
   * 0 stores, 9 makes the smallest file; pydata/sparse reads all. Default 1: a DocMNIST image takes 4 kB instead of
   * 125 kB stored.
   */
  readonly level?: CompressionLevel | undefined;
}

/**
 * Writes an array as pydata/sparse's `save_npz(COO(dense))` does: the same members, holding the same bytes.
 *
 * @param dense zeros are left out
 */
export function writeSparseCoo(dense: TensorData, { level = 1 }: SparseWriteOptions = {}): Uint8Array {
  const { shape, dtype } = dense;
  const rank = shape.length;
  // Halves as the bits that the file holds.
  const data = storedArray(encodeElements(dense), dtype, dense.data.length);
  const stored = countNonZero(data);
  const values = newStoredArray(dtype, stored);
  const coords = new Int32Array(2 * rank * stored); // int64 as pairs: the upper halves stay 0
  const width = shape[rank - 1] ?? 1;
  const index = new Int32Array(rank);
  let n = 0;
  for (let row = 0; row < data.length; row += width) {
    for (let column = 0; column < width; column++) {
      const value = data[row + column]!;
      if (isZero(value)) continue;
      values[n] = value;
      for (let axis = 0; axis < rank - 1; axis++) coords[2 * (axis * stored + n)] = index[axis]!;
      coords[2 * ((rank - 1) * stored + n)] = column;
      n++;
    }
    for (let axis = rank - 2; axis >= 0; axis--) {
      if (++index[axis]! < shape[axis]!) break;
      index[axis] = 0;
    }
  }
  const int64 = (array: Int32Array): BigInt64Array => new BigInt64Array(array.buffer);
  const member = (name: string, tensor: TensorData) => zipMember(`${name}.npy`, writeNpy(tensor), level);
  return writeZip([
    member("data", { dtype, shape: [stored], data: values }),
    member("shape", { dtype: "int64", shape: [rank], data: BigInt64Array.from(shape, BigInt) }),
    member("fill_value", { dtype, shape: [], data: newStoredArray(dtype, 1) }),
    member("coords", { dtype: "int64", shape: [rank, stored], data: int64(coords) }),
  ]);
}

function fill(dense: TensorData["data"], { data }: TensorData): void {
  const value = data[0];
  if (value === undefined || typeof value !== typeof (dense[0] ?? value)) {
    throw new VillaError("InvalidFile", "The sparse array has a fill value of another type than its data.");
  }
  if (!isZero(value)) dense.fill(value as never);
}

function scatter(
  dense: TensorData["data"],
  values: TensorData,
  coords: ArrayLike<number>,
  shape: readonly number[],
): void {
  const stored = values.data.length;
  const flat = new Float64Array(stored);
  for (const [axis, side] of shape.entries()) {
    for (let n = 0; n < stored; n++) {
      const coordinate = coords[axis * stored + n]!;
      if (!(coordinate >= 0 && coordinate < side)) {
        throw new VillaError("InvalidFile", `The sparse array has a coordinate outside its shape [${shape}].`);
      }
      flat[n] = flat[n]! * side + coordinate;
    }
  }
  for (let n = 0; n < stored; n++) dense[flat[n]!] = values.data[n] as never;
}

/** Coordinates as plain numbers; int64 ones without a bigint each. Out-of-range ones come out as negative. */
function coordinateNumbers({ data, dtype }: TensorData): ArrayLike<number> {
  if (!(data instanceof BigInt64Array || data instanceof BigUint64Array)) {
    if (dtype.includes("int")) return data;
    throw new VillaError("InvalidFile", `The sparse array has coordinates of type ${dtype}.`);
  }
  const halves = new Int32Array(data.buffer, data.byteOffset, 2 * data.length);
  const numbers = new Int32Array(data.length);
  for (let i = 0; i < numbers.length; i++) numbers[i] = halves[2 * i + 1] === 0 ? halves[2 * i]! : -1;
  return numbers;
}

/** NaN is a value like any other, so it is no zero. */
function isZero(value: number | bigint): boolean {
  return value === 0 || value === 0n;
}

function countNonZero(data: TensorData["data"]): number {
  let count = 0;
  for (let i = 0; i < data.length; i++) if (!isZero(data[i]!)) count++;
  return count;
}

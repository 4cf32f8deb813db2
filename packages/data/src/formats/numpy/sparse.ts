import { VillaError } from "../../errors.ts";
import { checkBytes, checkObject } from "../check-arguments.ts";
import { describeShape, quote } from "../describe.ts";
import { isFloat8 } from "../float8.ts";
import { float16ToFloat32 } from "../half.ts";
import { Allowance } from "../limits.ts";
import {
  checkTensor,
  type DataType,
  elementCount,
  encodeElements,
  newStoredArray,
  storedArray,
  type TensorData,
} from "../tensor.ts";
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
  checkBytes(bytes);
  return readSparseWithin(bytes, new Allowance(bytes.length, options), options);
}

/** {@link readSparseCoo} that shares its limits with other reads, and may refuse a shape before it is filled. */
export function readSparseWithin(
  bytes: Uint8Array,
  allowance: Allowance,
  options: NpyOptions & { readonly checkShape?: ((shape: readonly number[]) => void) | undefined },
): TensorData {
  const archive = openZip(bytes, "sparse array", { allowance });
  refuseOthers(archive.entries);
  const member = (name: string): TensorData =>
    expectTensor(readNpyWithin(archive.read(`${name}.npy`), allowance, { ...options, raw: true }), `Member "${name}"`);
  const shape = Array.from(member("shape").data, Number);
  options.checkShape?.(shape);
  const values = member("data");
  if (shape.length > 64 || values.shape.length !== 1) {
    throw new VillaError("InvalidFile", "The sparse array's values are not a list, or its shape has too many sides.");
  }
  const coords = member("coords");
  const rank = shape.length;
  const stored = values.data.length;
  if (coords.shape.length !== 2 || coords.shape[0] !== rank || coords.shape[1] !== stored) {
    throw new VillaError(
      "InvalidFile",
      `The sparse array has ${stored} values of rank ${rank}, but coordinates of shape ${describeShape(coords.shape)}.`,
    );
  }
  const count = elementCount(shape);
  allowance.take(count * values.data.BYTES_PER_ELEMENT, "The dense array");
  allowance.work(stored * rank, "The dense array");
  const dense = newStoredArray(values.dtype, count);
  if (archive.entries.has("fill_value.npy")) fill(dense, values.dtype, member("fill_value"));
  scatter(dense, values, coordinateNumbers(coords), shape);
  if (options.raw || values.dtype !== "float16") return { dtype: values.dtype, shape, data: dense };
  allowance.take(4 * count, "The dense array");
  return { dtype: "float16", shape, data: float16ToFloat32(dense as Uint16Array) };
}

/** Other libraries' archives, and what to do about them. */
function refuseOthers(members: ReadonlyMap<string, unknown>): void {
  if (members.has("format.npy") || (members.has("row.npy") && members.has("col.npy"))) {
    throw new VillaError(
      "Unsupported",
      "This is a matrix saved by scipy.sparse; save it with pydata/sparse: sparse.save_npz(path, sparse.COO.from_scipy_sparse(matrix)).",
    );
  }
  if (members.has("indptr.npy")) {
    throw new VillaError("Unsupported", 'The sparse array is in GCXS format; save it as COO: array.asformat("coo").');
  }
  if (members.has("coords.npy")) return;
  const names = [...members.keys()];
  throw new VillaError(
    "InvalidFile",
    `This is not a sparse array: it has no member "coords", but ${names.length === 0 ? "none at all" : names.slice(0, 4).map(quote).join(", ")}; save it with pydata/sparse's save_npz.`,
  );
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
 * @param dense zeros are left out; negative ones too, as pydata/sparse does
 */
export function writeSparseCoo(dense: TensorData, options: SparseWriteOptions = {}): Uint8Array {
  checkTensor(dense);
  checkObject(options, "The options of writeSparseCoo");
  const { level = 1 } = options;
  const { shape, dtype } = dense;
  const rank = shape.length;
  // Halves as the bits that the file holds.
  const data = storedArray(encodeElements(dense), dtype, dense.data.length);
  const negativeZero = negativeZeroOf(dtype);
  const stored = countNonZero(data, negativeZero);
  const values = newStoredArray(dtype, stored);
  const coords = new Int32Array(2 * rank * stored); // int64 as pairs: the upper halves stay 0
  const width = shape[rank - 1] ?? 1;
  const index = new Int32Array(rank);
  let n = 0;
  for (let row = 0; row < data.length; row += width) {
    for (let column = 0; column < width; column++) {
      const value = data[row + column]!;
      if (isZero(value, negativeZero)) continue;
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

function fill(dense: TensorData["data"], dtype: DataType, { dtype: own, data }: TensorData): void {
  const [value] = data;
  // A fill value of another type could not be kept: 0.5 among whole numbers, or the bits of a half.
  if (value === undefined || data.length !== 1 || own !== dtype) {
    throw new VillaError(
      "InvalidFile",
      `The sparse array of ${dtype} needs one fill value of that type, but has ${data.length} of ${own}.`,
    );
  }
  if (!Object.is(value, 0) && value !== 0n) dense.fill(value as never);
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
        throw new VillaError(
          "InvalidFile",
          `The sparse array has a coordinate outside its shape ${describeShape(shape)}.`,
        );
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

/** Whether a value is left out: zeros of either sign, as pydata/sparse does; NaN is a value like any other. */
function isZero(value: number | bigint, negativeZero: number): boolean {
  return value === 0 || value === 0n || value === negativeZero;
}

/** Halves are compared as their bits, of which minus zero has one. */
function negativeZeroOf(dtype: DataType): number {
  if (dtype === "float16" || dtype === "bfloat16") return 0x8000;
  return isFloat8(dtype) ? 0x80 : 0;
}

function countNonZero(data: TensorData["data"], negativeZero: number): number {
  let count = 0;
  for (let i = 0; i < data.length; i++) if (!isZero(data[i]!, negativeZero)) count++;
  return count;
}

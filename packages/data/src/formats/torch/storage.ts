import { VillaError } from "../../errors.ts";
import type { Allowance } from "../limits.ts";
import { type DataType, decodeElements, elementCount, itemSize, storedArray, type TensorData } from "../tensor.ts";

/** The memory behind tensors: several tensors may be views of one storage. */
export class TorchStorage {
  readonly dtype: DataType;
  readonly length: number;
  readonly bytes: Uint8Array;

  /** @throws VillaError `InvalidFile` when there are fewer bytes than elements need */
  constructor(dtype: DataType, length: number, bytes: Uint8Array) {
    if (!(Number.isSafeInteger(length) && length >= 0 && length * itemSize(dtype) <= bytes.length)) {
      throw new VillaError(
        "InvalidFile",
        `The file is truncated: a storage of ${length} ${dtype} elements has only ${bytes.length} bytes.`,
      );
    }
    this.dtype = dtype;
    this.length = length;
    this.bytes = bytes;
  }
}

/** Where a tensor's elements lie in its storage, in elements. */
export interface TensorView {
  readonly offset: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

/** How tensors are made. */
export interface RebuildOptions {
  readonly raw: boolean;
  readonly allowance: Allowance;
}

const mostDimensions = 64;

/**
 * A tensor as contiguous data: a view of the file where it is contiguous there, else gathered.
 *
 * @throws VillaError `InvalidFile` when the view reaches outside of its storage
 */
export function rebuildTensor(
  storage: TorchStorage,
  { offset, shape, strides }: TensorView,
  { raw, allowance }: RebuildOptions,
): TensorData {
  const invalid = () =>
    new VillaError("InvalidFile", `The file has a tensor of shape [${shape}] that reaches outside of its storage.`);
  const whole = [offset, ...shape, ...strides].every((value) => Number.isSafeInteger(value) && value >= 0);
  if (!whole || shape.length !== strides.length || shape.length > mostDimensions) throw invalid();
  const count = elementCount(shape);
  const last = count === 0 ? offset - 1 : shape.reduce((at, side, i) => at + (side - 1) * strides[i]!, offset);
  if (!(last < storage.length) && count > 0) throw invalid();

  const { dtype } = storage;
  const size = itemSize(dtype);
  const widened = !raw && (dtype === "float16" || dtype === "bfloat16");
  const contiguous = isContiguous(shape, strides);
  if (widened) allowance.take(count * 4, "A tensor");
  if (!contiguous) allowance.take(count * size, "A tensor");
  const bytes =
    contiguous || count === 0
      ? storage.bytes.subarray(offset * size, (offset + count) * size)
      : gather(storage, { offset, shape, strides }, count);
  return decodeElements(bytes, dtype, [...shape], { raw });
}

function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== expected) return false;
    expected *= shape[axis]!;
  }
  return true;
}

function gather(storage: TorchStorage, { offset, shape, strides }: TensorView, count: number): Uint8Array {
  // By element width alone: halves and bools need no interpretation here.
  const widths = { 1: "uint8", 2: "uint16", 4: "uint32", 8: "uint64" } as const;
  const dtype = widths[itemSize(storage.dtype) as keyof typeof widths];
  const source = storedArray(storage.bytes, dtype, storage.length);
  const out = source.slice(0, 0).constructor as new (length: number) => typeof source;
  const gathered = new out(count);
  const index = new Array<number>(shape.length).fill(0);
  let at = offset;
  for (let i = 0; i < count; i++) {
    gathered[i] = source[at] as never;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += strides[axis]!;
      if (++index[axis]! < shape[axis]!) break;
      at -= strides[axis]! * shape[axis]!;
      index[axis] = 0;
    }
  }
  return new Uint8Array(gathered.buffer);
}

import { VillaError } from "../../errors.ts";
import { describe, describeShape } from "../describe.ts";
import type { Allowance } from "../limits.ts";
import type { ComplexArray } from "../numpy/array.ts";
import {
  type DataType,
  decodeElements,
  elementCount,
  isNarrowFloat,
  itemSize,
  storedArray,
  type TensorData,
} from "../tensor.ts";
import { type ElementType, UnsupportedTensor } from "./types.ts";

/** The memory behind tensors: several tensors may be views of one storage. */
export class TorchStorage {
  readonly type: ElementType;
  readonly length: number;
  readonly bytes: Uint8Array;

  /** @throws VillaError `InvalidFile` when there are fewer bytes than elements need */
  constructor(type: ElementType, length: number, bytes: Uint8Array) {
    if (!(Number.isSafeInteger(length) && length >= 0 && length * type.size <= bytes.length)) {
      throw new VillaError(
        "InvalidFile",
        `The file is truncated: a storage of ${describe(length)} ${type.name} elements has only ${bytes.length} bytes.`,
      );
    }
    this.type = type;
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
 * A tensor as contiguous data: a view of the file where it is contiguous there, else gathered. Quantised tensors come
 * as the integers they are stored as.
 *
 * @throws VillaError `InvalidFile` when the view reaches outside of its storage
 */
export function rebuildTensor(
  storage: TorchStorage,
  view: TensorView,
  options: RebuildOptions,
): TensorData | ComplexArray | UnsupportedTensor {
  checkView(storage, view);
  const { stored, kind, name } = storage.type;
  if (stored === undefined) return new UnsupportedTensor(`a tensor of type ${name}`);
  if (kind !== "complex") return readView(storage.bytes, stored, view, options);
  // A complex number is two floats: one more axis.
  const { offset, shape, strides } = view;
  const halves = { offset: 2 * offset, shape: [...shape, 2], strides: [...strides.map((stride) => 2 * stride), 1] };
  const { data } = readView(storage.bytes, stored, halves, options);
  return { dtype: name, shape: [...shape], data } as ComplexArray;
}

function checkView(storage: TorchStorage, { offset, shape, strides }: TensorView): void {
  const invalid = () =>
    new VillaError(
      "InvalidFile",
      `The file has a tensor of shape ${describeShape(shape)} that reaches outside of its storage.`,
    );
  const whole = [offset, ...shape, ...strides].every((value) => Number.isSafeInteger(value) && value >= 0);
  if (!whole || shape.length !== strides.length || shape.length > mostDimensions) throw invalid();
  const count = elementCount(shape);
  const last = count === 0 ? offset - 1 : shape.reduce((at, side, i) => at + (side - 1) * strides[i]!, offset);
  if (!(last < storage.length) && count > 0) throw invalid();
}

function readView(
  bytes: Uint8Array,
  dtype: DataType,
  view: TensorView,
  { raw, allowance }: RebuildOptions,
): TensorData {
  const { offset, shape, strides } = view;
  const count = elementCount(shape);
  const size = itemSize(dtype);
  const contiguous = isContiguous(shape, strides);
  if (!raw && isNarrowFloat(dtype)) allowance.take(count * 4, "A tensor");
  if (!contiguous) {
    allowance.take(count * size, "A tensor");
    allowance.work(4 * count, "A tensor");
  }
  const elements =
    contiguous || count === 0
      ? bytes.subarray(offset * size, (offset + count) * size)
      : gather(bytes, dtype, view, count);
  return decodeElements(elements, dtype, [...shape], { raw });
}

function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== expected) return false;
    expected *= shape[axis]!;
  }
  return true;
}

function gather(bytes: Uint8Array, type: DataType, { offset, shape, strides }: TensorView, count: number): Uint8Array {
  // By element width alone: halves and bools need no interpretation here.
  const widths = { 1: "uint8", 2: "uint16", 4: "uint32", 8: "uint64" } as const;
  const width = itemSize(type) as keyof typeof widths;
  const source = storedArray(bytes, widths[width], Math.floor(bytes.length / width));
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

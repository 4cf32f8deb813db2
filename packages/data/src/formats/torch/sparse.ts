import { VillaError } from "../../errors.ts";
import { describe } from "../describe.ts";
import { float16ToFloat32 } from "../half.ts";
import type { Allowance } from "../limits.ts";
import { elementCount, isNarrowFloat, isTensorData, newStoredArray, type TensorData } from "../tensor.ts";
import { UnsupportedTensor } from "./types.ts";

/**
 * A sparse tensor made dense, as `tensor.to_dense()` gives: values at the same place are added up.
 *
 * @param layout the name of torch's layout, e.g. "torch.sparse_coo"
 * @param data (indices, values, size[, is coalesced]) or (compressed indices, plain indices, values, size)
 * @throws VillaError `InvalidFile` when indices lie outside of the size, `UnsafeFile` when the dense tensor is too large
 */
export function densify(layout: string, data: unknown, allowance: Allowance): TensorData | UnsupportedTensor {
  if (!Array.isArray(data)) throw malformed("has no data");
  const parts = data as unknown[];
  if (parts.some((part) => part instanceof UnsupportedTensor)) return new UnsupportedTensor("a sparse tensor");
  if (layout === "torch.sparse_coo" && (parts.length === 3 || parts.length === 4)) {
    const [indices, values, size] = parts;
    return scatter(coordinates(indices), expectValues(values), expectSize(size), allowance);
  }
  const byRow = layout === "torch.sparse_csr";
  if ((byRow || layout === "torch.sparse_csc") && parts.length === 4) {
    const [compressed, plain, values, shape] = parts;
    const size = expectSize(shape);
    const tensor = expectValues(values);
    if (size.length !== 2 || tensor.shape.length !== 1) return new UnsupportedTensor(`a batched ${layout} tensor`);
    const [outer, inner] = [expandCompressed(compressed, allowance), wholeNumbers(plain)];
    const axes = byRow ? [outer, inner] : [inner, outer];
    return scatter(axes, tensor, size, allowance);
  }
  return new UnsupportedTensor(`a sparse tensor of layout ${layout}`);
}

/** @param axes for each sparse axis, the index of every value; further axes of `values` are dense */
function scatter(
  axes: readonly ArrayLike<number>[],
  values: TensorData,
  size: number[],
  allowance: Allowance,
): TensorData {
  const stored = values.shape[0] ?? 0;
  const dense = size.slice(axes.length);
  const fits =
    values.shape.length === 1 + dense.length &&
    dense.every((side, i) => values.shape[i + 1] === side) &&
    axes.every((axis) => axis.length === stored);
  if (!fits) throw malformed("has indices and values that do not fit its size");
  const count = elementCount(size);
  const width = elementCount(dense);
  // Floats that were left as bits cannot be added up.
  const isRaw = isNarrowFloat(values.dtype) && !(values.data instanceof Float32Array);
  const source = isRaw && values.dtype === "float16" ? float16ToFloat32(values.data as Uint16Array) : values.data;
  if (isRaw && values.dtype !== "float16") {
    throw new VillaError(
      "Unsupported",
      `A sparse tensor of ${values.dtype} cannot be left as bits: read it without raw.`,
    );
  }
  allowance.take(8 * count, "A sparse tensor");
  allowance.work(4 * stored * width * Math.max(1, axes.length), "A sparse tensor");
  const out = source instanceof Float32Array ? new Float32Array(count) : newStoredArray(values.dtype, count);
  for (let n = 0; n < stored; n++) {
    let at = 0;
    for (const [axis, index] of axes.entries()) {
      const i = index[n]!;
      if (!(i >= 0 && i < size[axis]!)) throw malformed("has an index outside of its size");
      at = at * size[axis]! + i;
    }
    for (let k = 0; k < width; k++) {
      const value = source[n * width + k]!;
      const target = at * width + k;
      out[target] = (
        values.dtype === "bool" ? value || out[target] : (out[target] as number) + (value as number)
      ) as never;
    }
  }
  return { dtype: isRaw ? "float32" : values.dtype, shape: size, data: out };
}

/** The rows of an index tensor [axes, values]. */
function coordinates(indices: unknown): ArrayLike<number>[] {
  const flat = wholeNumbers(indices);
  const { shape } = indices as TensorData;
  if (shape.length !== 2) throw malformed("has indices that are not a matrix");
  const [axes, stored] = shape as [number, number];
  return Array.from({ length: axes }, (_, axis) => flat.subarray(axis * stored, (axis + 1) * stored));
}

/** [0, 2, 2, 3] → [0, 0, 2]: the row of each value. */
function expandCompressed(compressed: unknown, allowance: Allowance): Float64Array {
  const bounds = wholeNumbers(compressed);
  const stored = bounds[bounds.length - 1] ?? 0;
  if (bounds[0] !== 0 || bounds.some((bound, i) => i > 0 && !(bound >= bounds[i - 1]!))) {
    throw malformed("has row bounds that do not ascend");
  }
  allowance.take(8 * stored, "A sparse tensor");
  const rows = new Float64Array(stored);
  for (let row = 0; row + 1 < bounds.length; row++) rows.fill(row, bounds[row], bounds[row + 1]);
  return rows;
}

function wholeNumbers(tensor: unknown): Float64Array {
  if (!isTensorData(tensor) || !/^u?int/.test(tensor.dtype)) throw malformed("has indices that are not whole numbers");
  return Float64Array.from(tensor.data as ArrayLike<number | bigint>, Number);
}

function expectValues(values: unknown): TensorData {
  if (!isTensorData(values)) throw malformed(`has ${describe(values)} in the place of its values`);
  return values;
}

function expectSize(size: unknown): number[] {
  if (!Array.isArray(size)) throw malformed("has no size");
  elementCount(size as number[]);
  return [...(size as number[])];
}

function malformed(what: string): VillaError {
  return new VillaError("InvalidFile", `The torch file has a sparse tensor that ${what}.`);
}

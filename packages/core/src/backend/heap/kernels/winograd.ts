import type * as tf from "@tensorflow/tfjs-core";
import type { HeapBackend } from "../heap-backend.ts";
import type { Operand } from "../products.ts";
import { winogradTile } from "../simd-module.ts";
import type { Workspace } from "../workspace.ts";

type ConvInfo = tf.backend_util.Conv2DInfo;

const { side: tileSide, points, lanes } = winogradTile;
/** Values of one chunk of transformed tiles: bounds memory. */
const chunk = 1 << 23;
/** With fewer channels the transforms cost more than the products save. */
const fewestChannels = 64;
/** With fewer tiles transforming the filter costs more than the products save. */
const fewestTiles = 32;

/** Transform of a filter's three taps, and of six points into a result's four pixels. */
const filterTransform = [
  [1 / 4, 0, 0],
  [-1 / 6, -1 / 6, -1 / 6],
  [-1 / 6, 1 / 6, -1 / 6],
  [1 / 24, 1 / 12, 1 / 6],
  [1 / 24, -1 / 12, 1 / 6],
  [0, 0, 1],
];
const resultTransform = [
  [1, 1, 1, 1, 1, 0],
  [0, 1, -1, 2, -2, 0],
  [0, 1, 1, 4, 4, 0],
  [0, 1, -1, 8, -8, 1],
];
/** The same along both axes at once: products with them transform whole matrices. */
const ofFilter = kronecker(filterTransform);
const ofFilterGradient = kronecker(transposed(filterTransform));
const ofResult = kronecker(resultTransform);

/**
 * True where Winograd's F(4×4, 3×3) pays: 36 products for 16 results where the convolution itself has 144. Its results
 * differ from the convolution's by a few units of the fifth digit of the largest.
 */
export function paysByWinograd(info: ConvInfo): boolean {
  const { filterHeight, filterWidth, strideHeight, strideWidth, dilationHeight, dilationWidth } = info;
  const { inChannels, outChannels } = info;
  const plain = strideHeight === 1 && strideWidth === 1 && dilationHeight === 1 && dilationWidth === 1;
  if (!plain || filterHeight !== 3 || filterWidth !== 3) return false;
  if (inChannels % lanes !== 0 || outChannels % lanes !== 0) return false;
  if (Math.min(inChannels, outChannels) < fewestChannels) return false;
  const tiles = tilesOf(info).count;
  const pixels = info.batchSize * info.outHeight * info.outWidth;
  // Tiles that reach far over the edge compute for nothing.
  return tiles >= fewestTiles && tiles * points < 0.6 * pixels * 9;
}

/** y = act(x * filter + bias) of [.., C] and [3, 3, C, O]. x and y are NHWC in the heap, bias [O] or 0. */
export function winogradForward(
  backend: HeapBackend,
  space: Workspace,
  info: ConvInfo,
  operands: {
    readonly x: number;
    readonly filter: Float32Array;
    readonly y: number;
    readonly bias: number;
    readonly relu: boolean;
  },
): void {
  const { inChannels: C, outChannels: O } = info;
  const { x, filter, y, bias, relu } = operands;
  const tiles = tilesOf(info);
  const input = inputParameters(space, info);
  const output = space.parameters(info.outHeight, info.outWidth, O, tiles.rows, tiles.columns);
  const step = chunkOf(info);
  const transformed = space.scratch(points * step * C);
  const results = space.scratch(tileSide ** 2 * step * O);
  const scratch = space.scratch(transformScratch(C));
  for (let from = 0; from < tiles.count; from += step) {
    const count = Math.min(step, tiles.count - from);
    space.simd.winogradPoints(transformed, x, from, from + count, input, scratch, 0);
    backend.products.winogradProducts(space, {
      points: { data: space.view(transformed, points * count * C), dims: [points, count, C] },
      filter: { data: filter, dims: [9, C * O] },
      ofFilter,
      ofResult,
      y: { data: space.view(results, tileSide ** 2 * count * O), dims: [tileSide ** 2, count * O] },
    });
    space.simd.winogradResults(y, results, from, from + count, output, bias, Number(relu));
  }
}

/** The filter's gradient [3, 3, C, O], from x [.., C] and dy [.., O], both NHWC in the heap. */
export function winogradFilterGradient(
  backend: HeapBackend,
  space: Workspace,
  info: ConvInfo,
  { x, dy, gradient }: { readonly x: number; readonly dy: number; readonly gradient: Float32Array },
): void {
  const { inChannels: C, outChannels: O } = info;
  const tiles = tilesOf(info);
  const input = inputParameters(space, info);
  const output = space.parameters(info.outHeight, info.outWidth, O, tiles.rows, tiles.columns, 0, 0);
  const step = chunkOf(info);
  const ofInput = space.scratch(points * step * C);
  const ofOutput = space.scratch(points * step * O);
  const scratch = space.scratch(transformScratch(Math.max(C, O)));
  const result = { data: gradient, dims: [9, C * O] };
  for (let from = 0; from < tiles.count; from += step) {
    const count = Math.min(step, tiles.count - from);
    space.simd.winogradPoints(ofInput, x, from, from + count, input, scratch, 0);
    space.simd.winogradPoints(ofOutput, dy, from, from + count, output, scratch, 1);
    const operands = {
      ofInput: { data: space.view(ofInput, points * count * C), dims: [points, count, C] },
      ofOutput: { data: space.view(ofOutput, points * count * O), dims: [points, count, O] },
      ofFilterGradient,
      y: result,
    };
    backend.products.winogradGradient(space, operands, from > 0);
  }
}

function tilesOf({ batchSize, outHeight, outWidth }: ConvInfo) {
  const [rows, columns] = [Math.ceil(outHeight / tileSide), Math.ceil(outWidth / tileSide)];
  return { rows, columns, count: batchSize * rows * columns };
}

function inputParameters(space: Workspace, info: ConvInfo): number {
  const { rows, columns } = tilesOf(info);
  const { top, left } = info.padInfo;
  return space.parameters(info.inHeight, info.inWidth, info.inChannels, rows, columns, top, left);
}

/** Tiles of one chunk; chunks of one size, so that none is tiny. */
function chunkOf(info: ConvInfo): number {
  const { count } = tilesOf(info);
  const most = Math.max(fewestTiles, Math.floor(chunk / (points * Math.max(info.inChannels, info.outChannels))));
  return Math.ceil(count / Math.ceil(count / most));
}

/** Two blocks of 36 lines, a table of 36 addresses, a pixel of zeros: see the kernel. */
function transformScratch(channels: number): number {
  return points * lanes * 2 + points + channels;
}

function kronecker(matrix: readonly (readonly number[])[]): Operand {
  const rows = matrix.flatMap((a) => matrix.map((b) => a.flatMap((left) => b.map((right) => left * right))));
  return { data: Float32Array.from(rows.flat()), dims: [rows.length, rows[0]!.length] };
}

function transposed(matrix: readonly (readonly number[])[]): number[][] {
  return matrix[0]!.map((_, column) => matrix.map((row) => row[column]!));
}

import * as tf from "@tensorflow/tfjs-core";
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
  const { products } = backend;
  const filterAt = space.scratch(points * C * O);
  const pointsAt = space.scratch(points * step * C);
  const productsAt = space.scratch(points * step * O);
  const resultsAt = space.scratch(tileSide ** 2 * step * O);
  const scratch = space.scratch(transformScratch(C));
  const taps = { data: filter, dims: [9, C * O] };
  products.multiply(space, { a: ofFilter, b: taps, y: matrix(space, filterAt, points, C * O) }, {});
  for (let from = 0; from < tiles.count; from += step) {
    const count = Math.min(step, tiles.count - from);
    space.simd.winogradPoints(pointsAt, x, from, from + count, input, scratch, 0);
    products.multiplyBatch(
      space,
      {
        a: matrix(space, pointsAt, points, count, C),
        b: matrix(space, filterAt, points, C, O),
        y: matrix(space, productsAt, points, count, O),
      },
      {},
    );
    const b = matrix(space, productsAt, points, count * O);
    products.multiply(space, { a: ofResult, b, y: matrix(space, resultsAt, tileSide ** 2, count * O) }, {});
    space.simd.winogradResults(y, resultsAt, from, from + count, output, bias, Number(relu));
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
  const productsAt = space.scratch(points * C * O);
  const scratch = space.scratch(transformScratch(Math.max(C, O)));
  const y = { data: gradient, dims: [9, C * O] };
  for (let from = 0; from < tiles.count; from += step) {
    const count = Math.min(step, tiles.count - from);
    space.simd.winogradPoints(ofInput, x, from, from + count, input, scratch, 0);
    space.simd.winogradPoints(ofOutput, dy, from, from + count, output, scratch, 1);
    backend.products.multiplyBatch(
      space,
      {
        a: matrix(space, ofInput, points, count, C),
        b: matrix(space, ofOutput, points, count, O),
        y: matrix(space, productsAt, points, C, O),
      },
      { transposeA: true },
    );
    const b = matrix(space, productsAt, points, C * O);
    backend.products.multiply(space, { a: ofFilterGradient, b, y, c: from > 0 ? y : undefined }, {});
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

/** A matrix, or a batch of them, in scratch space. */
function matrix(space: Workspace, at: number, ...dims: number[]): Operand {
  return { data: space.view(at, tf.util.sizeFromShape(dims)), dims };
}

function kronecker(matrix: readonly (readonly number[])[]): Operand {
  const rows = matrix.flatMap((a) => matrix.map((b) => a.flatMap((left) => b.map((right) => left * right))));
  return { data: Float32Array.from(rows.flat()), dims: [rows.length, rows[0]!.length] };
}

function transposed(matrix: readonly (readonly number[])[]): number[][] {
  return matrix[0]!.map((_, column) => matrix.map((row) => row[column]!));
}

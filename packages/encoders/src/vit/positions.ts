import * as tf from "@tensorflow/tfjs-core";
import { cubic } from "../regions/resize.ts";

/**
 * A position table scaled to another grid, differentiable: one product with the weights of bicubic interpolation, as
 * torch's `interpolate(mode="bicubic", align_corners=False)`.
 *
 * @param table [side², width], row-major
 * @param grid rows and columns wanted
 * @param antialias torch's option, which OpenCLIP uses; it matters when the grid shrinks
 * @returns [rows · columns, width]
 */
export function scalePositions(
  table: tf.Tensor2D,
  [rows, columns]: readonly [number, number],
  antialias: boolean,
): tf.Tensor2D {
  const side = Math.round(Math.sqrt(table.shape[0]));
  if (rows === side && columns === side) return table;
  const [alongY, alongX] = [axisWeights(side, rows, antialias), axisWeights(side, columns, antialias)];
  const matrix = new Float32Array(rows * columns * side * side);
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      for (let i = 0; i < side; i++) {
        const weight = alongY[y]![i]!;
        if (weight === 0) continue;
        const to = ((y * columns + x) * side + i) * side;
        for (let j = 0; j < side; j++) matrix[to + j] = weight * alongX[x]![j]!;
      }
    }
  }
  return tf.matMul(tf.tensor2d(matrix, [rows * columns, side * side]), table);
}

/** What each target position reads of the source's. */
function axisWeights(source: number, target: number, antialias: boolean): Float64Array[] {
  const scale = source / target;
  return Array.from({ length: target }, (_, at) => (antialias ? smooth : sharp)(at, source, scale));
}

/** Four neighbours with a = −0.75; those beyond the border are the border's. */
function sharp(at: number, source: number, scale: number): Float64Array {
  const weights = new Float64Array(source);
  const position = (at + 0.5) * scale - 0.5;
  const below = Math.floor(position);
  for (let tap = -1; tap <= 2; tap++) {
    const index = Math.min(source - 1, Math.max(0, below + tap));
    weights[index]! += cubic(Math.abs(position - below - tap), -0.75);
  }
  return weights;
}

/** All neighbours under a kernel as wide as the target's pixel, with a = −0.5, their weights adding up to 1. */
function smooth(at: number, source: number, scale: number): Float64Array {
  const weights = new Float64Array(source);
  const stretch = Math.max(scale, 1);
  const centre = (at + 0.5) * scale;
  const from = Math.max(0, Math.trunc(centre - 2 * stretch + 0.5));
  const to = Math.min(source, Math.trunc(centre + 2 * stretch + 0.5));
  for (let i = from; i < to; i++) weights[i] = cubic(Math.abs((i - centre + 0.5) / stretch), -0.5);
  const sum = weights.reduce((total, weight) => total + weight, 0);
  return weights.map((weight) => weight / sum);
}

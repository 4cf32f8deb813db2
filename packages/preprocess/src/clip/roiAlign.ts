import * as tf from "@tensorflow/tfjs-core";
import type { Regions } from "./regions.ts";
import { type RoiGrid, roiAxisWeights, roiMatrices } from "./roiMatrices.ts";

/**
 * RoIAlign prepared once for a set of regions and applied to several feature maps of the same size. Plain matrix
 * products, so it runs and differentiates on every backend.
 *
 * `features` is [B, h, w, C]; `pool` 2 averages the bins 2 × 2 in the same product; the result is
 * [R, bins / pool, bins / pool, C].
 */
export type RoiAlign = (features: tf.Tensor4D, pool: 1 | 2) => tf.Tensor4D;

/** Above this many positions one matrix for both axes costs more than two products, one for each axis. */
const kroneckerLimit = 1024;

/**
 * @param regions grouped by image, i.e. `imageIndex` ascending
 * @param bins per side, before pooling; 14 for RN50
 */
export function prepareRoiAlign(regions: Regions, bins: number): RoiAlign {
  const images = imageRanges(regions.imageIndex);
  return (features, pool) =>
    tf.tidy(() => {
      const [batch, height, width, channels] = features.shape;
      const maps = tf.unstack(tf.reshape(features, [batch, height * width, channels])) as tf.Tensor2D[];
      const grid: RoiGrid = { scale: width / regions.imageWidth, height, width, bins, pool };
      const align = height * width <= kroneckerLimit ? alignInOneProduct : alignByAxis;
      const parts = images.map(({ image, from, to }) => {
        const boxes = Array.prototype.slice.call(regions.boxes, from * 4, to * 4) as number[];
        return align(maps[image]!, boxes, grid);
      });
      const rows = parts.length === 1 ? parts[0]! : tf.concat(parts, 0);
      return tf.reshape(rows, [regions.imageIndex.length, bins / pool, bins / pool, channels]);
    });
}

/** @returns [n × (bins / pool)², C] */
function alignInOneProduct(map: tf.Tensor2D, boxes: readonly number[], grid: RoiGrid): tf.Tensor2D {
  const matrix = roiMatrices(boxes, grid);
  const positions = grid.height * grid.width;
  return tf.matMul(tf.tensor2d(matrix, [matrix.length / positions, positions]), map);
}

/** @returns [n × (bins / pool)², C] */
function alignByAxis(map: tf.Tensor2D, boxes: readonly number[], grid: RoiGrid): tf.Tensor2D {
  const { height, width } = grid;
  const channels = map.shape[1];
  const side = grid.bins / grid.pool;
  const count = boxes.length / 4;
  const rows = tf.tensor2d(axisMatrices(boxes, "y", grid), [count * side, height]);
  const byRow = tf.matMul(rows, tf.reshape(map, [height, width * channels]));
  // [n, side, w, C]: each of the n × side rows of the map meets its region's column weights.
  const stacked = tf.reshape(byRow, [count * side, width, channels]);
  const columns = tf.tensor4d(axisMatrices(boxes, "x", grid), [count, 1, side, width]);
  const weights = tf.reshape(tf.tile(columns, [1, side, 1, 1]), [count * side, side, width]);
  return tf.reshape(tf.matMul(weights, stacked), [count * side * side, channels]);
}

/** [n, side, size] weights along one axis. */
function axisMatrices(boxes: readonly number[], axis: "x" | "y", { scale, height, width, bins, pool }: RoiGrid) {
  const [first, size] = axis === "x" ? [0, width] : [1, height];
  const length = (bins / pool) * size;
  const matrices = new Float32Array((boxes.length / 4) * length);
  const one = new Float64Array(length);
  for (let region = 0; region * 4 < boxes.length; region++) {
    const [start, end] = [boxes[region * 4 + first]!, boxes[region * 4 + first + 2]!];
    roiAxisWeights({ start, end, scale, size, bins, pool }, one);
    matrices.set(one, region * length);
  }
  return matrices;
}

function imageRanges(imageIndex: ArrayLike<number>): { image: number; from: number; to: number }[] {
  const ranges: { image: number; from: number; to: number }[] = [];
  for (let region = 0; region < imageIndex.length; region++) {
    const last = ranges.at(-1);
    if (last && last.image === imageIndex[region]) last.to = region + 1;
    else ranges.push({ image: imageIndex[region]!, from: region, to: region + 1 });
  }
  return ranges;
}

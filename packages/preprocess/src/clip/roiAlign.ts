import * as tf from "@tensorflow/tfjs-core";
import type { Regions } from "./regions.ts";
import { roiAxisWeights, roiMatrices, roiSize } from "./roiMatrices.ts";

/**
 * RoIAlign prepared once for a set of regions and applied to several feature maps of the same size. Plain matrix
 * products, so it runs and differentiates on every backend.
 *
 * `features` is [B, h, w, C]; `pool` 2 averages the bins 2 × 2 in the same product; the result is
 * [R, 14 / pool, 14 / pool, C].
 */
export type RoiAlign = (features: tf.Tensor4D, pool: 1 | 2) => tf.Tensor4D;

/** Above this many positions one matrix for both axes costs more than two products, one for each axis. */
const kroneckerLimit = 1024;

/** @param regions grouped by image, i.e. `imageIndex` ascending */
export function prepareRoiAlign(regions: Regions): RoiAlign {
  const images = imageRanges(regions.imageIndex);
  return (features, pool) =>
    tf.tidy(() => {
      const [batch, height, width, channels] = features.shape;
      const bins = roiSize / pool;
      const maps = tf.unstack(tf.reshape(features, [batch, height * width, channels])) as tf.Tensor2D[];
      const scale = width / regions.imageWidth;
      const align = height * width <= kroneckerLimit ? alignInOneProduct : alignByAxis;
      const parts = images.map(({ image, from, to }) => {
        const boxes = Array.prototype.slice.call(regions.boxes, from * 4, to * 4) as number[];
        return align(maps[image]!, boxes, { scale, height, width, channels, pool });
      });
      const rows = parts.length === 1 ? parts[0]! : tf.concat(parts, 0);
      return tf.reshape(rows, [regions.imageIndex.length, bins, bins, channels]);
    });
}

interface Axes {
  readonly scale: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly pool: 1 | 2;
}

/** @returns [n × bins², C] */
function alignInOneProduct(map: tf.Tensor2D, boxes: readonly number[], axes: Axes): tf.Tensor2D {
  const { scale, height, width, pool } = axes;
  const matrix = roiMatrices(boxes, scale, height, width, pool);
  return tf.matMul(tf.tensor2d(matrix, [matrix.length / (height * width), height * width]), map);
}

/** @returns [n × bins², C] */
function alignByAxis(map: tf.Tensor2D, boxes: readonly number[], axes: Axes): tf.Tensor2D {
  const { scale, height, width, channels, pool } = axes;
  const bins = roiSize / pool;
  const count = boxes.length / 4;
  const rows = axisMatrices(boxes, 1, scale, height, pool);
  const columns = axisMatrices(boxes, 0, scale, width, pool);
  const byRow = tf.matMul(tf.tensor2d(rows, [count * bins, height]), tf.reshape(map, [height, width * channels]));
  // [n, bins, w, C]: each of the n × bins rows of the map meets its region's column weights.
  const stacked = tf.reshape(byRow, [count * bins, width, channels]);
  const weights = tf.tile(tf.tensor4d(columns, [count, 1, bins, width]), [1, bins, 1, 1]);
  const aligned = tf.matMul(tf.reshape(weights, [count * bins, bins, width]), stacked);
  return tf.reshape(aligned, [count * bins * bins, channels]);
}

function axisMatrices(boxes: readonly number[], first: 0 | 1, scale: number, size: number, pool: number) {
  const length = (roiSize / pool) * size;
  const matrices = new Float32Array((boxes.length / 4) * length);
  const one = new Float64Array(length);
  for (let region = 0; region * 4 < boxes.length; region++) {
    const [start, end] = [boxes[region * 4 + first]!, boxes[region * 4 + first + 2]!];
    roiAxisWeights({ start, end, scale, size, bins: roiSize, pool }, one);
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

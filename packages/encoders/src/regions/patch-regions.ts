import * as tf from "@tensorflow/tfjs-core";
import { roiAlign } from "@villa/core";
import { forEachRun } from "@villa/data";
import { checkRegions, type RegionMask, type Regions } from "./group-regions.ts";

/**
 * RoIAlign with one bin a region, on a map of patch tokens.
 *
 * @param features [B, rows, columns, width]
 * @returns [R, width]
 */
export function alignPatches(features: tf.Tensor4D, regions: Regions): tf.Tensor2D {
  checkRegions(regions, features.shape[0]);
  const { boxes, imageIndex, imageWidth } = regions;
  return tf.tidy(() => {
    const options = { outputSize: 1, spatialScale: features.shape[2] / imageWidth };
    return tf.reshape(roiAlign(features, boxes, imageIndex, options), [imageIndex.length, features.shape[3]]);
  });
}

/**
 * The mean of a map's patches, each weighted by the share of it that the region covers: its mask, or its box without one.
 *
 * @param features [B, rows, columns, width]
 * @returns [R, width]
 */
export function averagePatches(features: tf.Tensor4D, regions: Regions): tf.Tensor2D {
  checkRegions(regions, features.shape[0]);
  const [batch, rows, columns, width] = features.shape;
  const cells = batch * rows * columns;
  return tf.tidy(() => {
    const weights = tf.tensor2d(coverage(regions, [batch, rows, columns]), [regions.imageIndex.length, cells]);
    return tf.matMul(weights, tf.reshape(features, [cells, width]));
  });
}

/**
 * What share of each cell of the images' grids a region covers, scaled so that a region's shares add up to 1.
 *
 * @param grid [batch, rows, columns]
 * @returns [R, batch · rows · columns]; all zero for a region outside of its image
 */
function coverage(
  { boxes, imageIndex, imageWidth, masks }: Regions,
  [batch, rows, columns]: readonly [number, number, number],
): Float32Array {
  const cells = rows * columns;
  const scale = columns / imageWidth;
  const out = new Float32Array(imageIndex.length * batch * cells);
  for (let region = 0; region < imageIndex.length; region++) {
    const shares = new Float64Array(cells);
    const mask = masks?.[region];
    if (mask) addMask(shares, mask, { scale, rows, columns });
    else {
      const [x0, y0, x1, y1] = [0, 1, 2, 3].map((side) => boxes[region * 4 + side]! * scale);
      addBox(shares, [x0!, y0!, x1!, y1!], { rows, columns });
    }
    const sum = shares.reduce((total, share) => total + share, 0);
    if (sum === 0) continue;
    const to = (region * batch + imageIndex[region]!) * cells;
    for (let cell = 0; cell < cells; cell++) out[to + cell] = shares[cell]! / sum;
  }
  return out;
}

interface Grid {
  readonly rows: number;
  readonly columns: number;
}

/** Adds the share of each cell that a rectangle covers; its corners are given in cells. */
function addBox(
  shares: Float64Array,
  [x0, y0, x1, y1]: readonly [number, number, number, number],
  { rows, columns }: Grid,
): void {
  for (let y = Math.max(0, Math.floor(y0)); y < Math.min(rows, Math.ceil(y1)); y++) {
    for (let x = Math.max(0, Math.floor(x0)); x < Math.min(columns, Math.ceil(x1)); x++) {
      shares[y * columns + x]! += overlap(y, y0, y1) * overlap(x, x0, x1);
    }
  }
}

/** Adds the share of each cell that a mask covers. */
function addMask(shares: Float64Array, { rle, pixel }: RegionMask, { scale, ...grid }: Grid & { scale: number }): void {
  const [across, down] = [pixel[0] * scale, pixel[1] * scale];
  forEachRun(rle, (x, top, bottom) => {
    addBox(shares, [x * across, top * down, (x + 1) * across, bottom * down], grid);
  });
}

/** Length of what [from, to] and the cell [at, at + 1] share. */
function overlap(at: number, from: number, to: number): number {
  return Math.max(0, Math.min(at + 1, to) - Math.max(at, from));
}

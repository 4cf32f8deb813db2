import { checkArgument } from "@villa/data";
/** How regions are sampled; see torchvision's `roi_align`. */
export interface RoiGeometry {
  readonly outputSize: number;
  /** Feature pixels per image pixel. */
  readonly spatialScale: number;
  /** Samples per bin and axis; 0 = adaptive, ceil(region size / output size). */
  readonly samplingRatio: number;
  /** Shifts by half a pixel (torchvision's `aligned=True`). */
  readonly aligned: boolean;
  /** Neighbouring bins averaged into one, on each axis; divides outputSize. */
  readonly pool: number;
}

const f32 = Math.fround;

/**
 * Averaged bilinear weights of one region along one axis. RoIAlign is separable: a region's output is A_y · F · A_xᵀ with
 * such a matrix per axis.
 *
 * Coordinates are computed in float32, in torchvision's order of operations: the adaptive sample count is a `ceil` that one
 * rounding can move.
 *
 * @param low the region's first border on this axis, in image pixels
 * @param high its other border
 * @param length size of the feature map on this axis
 * @returns [outputSize / pool, length] row-major; all zero for a region of no extent
 */
export function roiAxisWeights(low: number, high: number, length: number, geometry: RoiGeometry): Float64Array {
  checkArgument("low", low, "number");
  checkArgument("high", high, "number");
  checkArgument("length", length, "count");
  checkArgument("geometry", geometry, {
    outputSize: "count",
    spatialScale: "number",
    samplingRatio: "count",
    aligned: "boolean",
    pool: "number",
  });

  const { outputSize, samplingRatio, aligned, pool } = geometry;
  const scale = f32(geometry.spatialScale);
  const offset = aligned ? 0.5 : 0;
  const start = f32(f32(f32(low) * scale) - offset);
  const end = f32(f32(f32(high) * scale) - offset);
  const size = aligned ? f32(end - start) : Math.max(f32(end - start), 1);
  const binSize = f32(size / outputSize);
  const samples = samplingRatio > 0 ? samplingRatio : Math.ceil(binSize);
  const weights = new Float64Array((outputSize / pool) * length);
  for (let bin = 0; bin < outputSize; bin++) {
    const row = Math.floor(bin / pool) * length;
    const binStart = f32(start + f32(bin * binSize));
    for (let sample = 0; sample < samples; sample++) {
      const position = f32(binStart + f32(f32(f32(sample + 0.5) * binSize) / samples));
      addBilinear(weights, row, length, position, 1 / (samples * pool));
    }
  }
  return weights;
}

/** Adds one sample's reading of its two neighbours; a sample more than a pixel outside of the map reads nothing. */
function addBilinear(weights: Float64Array, row: number, length: number, position: number, share: number): void {
  if (!(position >= -1 && position <= length)) return;
  const clamped = Math.max(position, 0);
  const below = Math.floor(clamped);
  if (below >= length - 1) {
    weights[row + length - 1]! += share;
    return;
  }
  const fraction = f32(clamped - below);
  weights[row + below]! += share * (1 - fraction);
  weights[row + below + 1]! += share * fraction;
}

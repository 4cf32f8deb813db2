/** One axis of a region and of the map it is sampled from. */
export interface RoiAxis {
  /** The region's borders in image pixels. */
  readonly start: number;
  readonly end: number;
  /** Map positions per image pixel. */
  readonly scale: number;
  /** Positions of the map along this axis. */
  readonly size: number;
  readonly bins: number;
  /** Bins averaged together afterwards: layer4's 2 × 2 average pool commutes with its 1 × 1 convolutions. Default 1. */
  readonly pool?: number;
}

const f32 = Math.fround;

/**
 * One axis of RoIAlign (torchvision, aligned, adaptive sampling) as a matrix: row i holds the weights with which bin i
 * averages the map's positions along this axis. Coordinates are float32 in torchvision's order of operations, because a
 * rounding can change the number of samples.
 *
 * @param out [bins / pool, size] row-major, filled with the weights
 */
export function roiAxisWeights({ start, end, scale, size, bins, pool = 1 }: RoiAxis, out: Float64Array): void {
  out.fill(0);
  const origin = f32(f32(f32(start) * f32(scale)) - 0.5);
  const extent = f32(f32(f32(f32(end) * f32(scale)) - 0.5) - origin);
  const bin = f32(extent / bins);
  const samples = Math.ceil(bin);
  const weight = 1 / (samples * pool);
  for (let i = 0; i < bins; i++) {
    const row = Math.floor(i / pool) * size;
    const binStart = f32(origin + f32(i * bin));
    for (let k = 0; k < samples; k++) {
      const position = f32(binStart + f32(f32(f32(k + 0.5) * bin) / samples));
      if (!(position >= -1 && position <= size)) continue;
      const clamped = Math.min(Math.max(position, 0), size - 1);
      const low = Math.floor(clamped);
      const fraction = f32(clamped - low);
      out[row + low]! += (1 - fraction) * weight;
      if (fraction > 0) out[row + low + 1]! += fraction * weight;
    }
  }
}

/** RoIAlign over a feature map. */
export interface RoiGrid {
  /** Map positions per image pixel. */
  readonly scale: number;
  readonly height: number;
  readonly width: number;
  /** Bins per side, before pooling. */
  readonly bins: number;
  readonly pool: 1 | 2;
}

/**
 * RoIAlign over both axes of every region as one matrix: rows are bins, columns positions of the feature map.
 *
 * @param boxes [R × 4] x0, y0, x1, y1 in image pixels
 * @returns [R × (bins / pool)², height × width] row-major
 */
export function roiMatrices(boxes: ArrayLike<number>, { scale, height, width, bins, pool }: RoiGrid): Float32Array {
  const side = bins / pool;
  const regions = boxes.length / 4;
  const matrices = new Float32Array(regions * side * side * height * width);
  const rows = new Float64Array(side * height);
  const columns = new Float64Array(side * width);
  const axis = { scale, bins, pool };
  let offset = 0;
  for (let region = 0; region < regions; region++) {
    const box = region * 4;
    roiAxisWeights({ ...axis, start: boxes[box + 1]!, end: boxes[box + 3]!, size: height }, rows);
    roiAxisWeights({ ...axis, start: boxes[box]!, end: boxes[box + 2]!, size: width }, columns);
    for (let i = 0; i < side; i++) {
      for (let j = 0; j < side; j++) {
        for (let y = 0; y < height; y++) {
          const weight = rows[i * height + y]!;
          if (weight === 0) {
            offset += width;
            continue;
          }
          for (let x = 0; x < width; x++) matrices[offset++] = weight * columns[j * width + x]!;
        }
      }
    }
  }
  return matrices;
}

/** RoIAlign's bins per side, before layer4. */
export const roiSize = 14;

/**
 * One axis of RoIAlign (torchvision, aligned, adaptive sampling) as a matrix: row i holds the weights with which bin i
 * averages the feature map's positions along this axis.
 *
 * @param start,end box side in image pixels
 * @param scale feature size / image size
 * @param size positions of the feature map along this axis
 * @param pool bins averaged together afterwards: layer4's 2 × 2 average pool commutes with the 1 × 1 convolutions
 * @param out [roiSize / pool, size] row-major, filled with the weights
 */
export function roiAxisWeights(
  start: number,
  end: number,
  scale: number,
  size: number,
  pool: number,
  out: Float64Array,
): void {
  out.fill(0);
  const origin = start * scale - 0.5;
  const bin = ((end - start) * scale) / roiSize;
  const samples = Math.ceil(bin);
  for (let i = 0; i < roiSize; i++) {
    const row = Math.floor(i / pool) * size;
    for (let k = 0; k < samples; k++) {
      const position = origin + i * bin + ((k + 0.5) * bin) / samples;
      if (position < -1 || position > size) continue;
      const clamped = Math.min(Math.max(position, 0), size - 1);
      const low = Math.floor(clamped);
      const fraction = clamped - low;
      const weight = 1 / (samples * pool);
      out[row + low]! += (1 - fraction) * weight;
      if (fraction > 0) out[row + low + 1]! += fraction * weight;
    }
  }
}

/**
 * RoIAlign over both axes of every region as one matrix: rows are bins, columns positions of the feature map.
 *
 * @param boxes [R × 4] x0, y0, x1, y1 in image pixels
 * @returns [R × bins², height × width] row-major, bins = roiSize / pool
 */
export function roiMatrices(
  boxes: ArrayLike<number>,
  scale: number,
  height: number,
  width: number,
  pool: 1 | 2,
): Float32Array {
  const bins = roiSize / pool;
  const regions = boxes.length / 4;
  const matrices = new Float32Array(regions * bins * bins * height * width);
  const rows = new Float64Array(bins * height);
  const columns = new Float64Array(bins * width);
  let offset = 0;
  for (let region = 0; region < regions; region++) {
    const box = region * 4;
    roiAxisWeights(boxes[box + 1]!, boxes[box + 3]!, scale, height, pool, rows);
    roiAxisWeights(boxes[box]!, boxes[box + 2]!, scale, width, pool, columns);
    for (let i = 0; i < bins; i++) {
      for (let j = 0; j < bins; j++) {
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

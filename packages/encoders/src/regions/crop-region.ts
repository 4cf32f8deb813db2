import { roiAxisWeights } from "@villa/core";
import type { Box, RgbImage } from "@villa/data";
import { checkArgument } from "@villa/data";

/**
 * A region's pixels resampled to a square: every target pixel averages the bilinear samples inside of it, so that large
 * regions are not aliased. A region of exactly `side` × `side` whole pixels comes out unchanged.
 *
 * @param target `side`: of the square; `layout`: `CHW` or `HWC` order of the result; `out`: [3 × side²] gets values in
 * 0 … 1
 */
export function cropRegion(
  image: RgbImage,
  box: Box,
  target: { readonly side: number; readonly layout: "CHW" | "HWC"; readonly out: Float32Array },
): void {
  checkArgument("image", image, { width: "count", height: "count", channels: "count", data: "bytes" });
  checkArgument("box", box, "numbers");
  checkArgument("target", target, { side: "number", layout: "'CHW' | 'HWC'", out: "numbers" });
  const { side, layout, out } = target;

  const { width, height, data } = image;
  const [channelStep, pixelStep] = layout === "CHW" ? [side * side, 1] : [1, 3];
  if (box.every(Number.isInteger) && box[2] - box[0] === side && box[3] - box[1] === side) {
    for (let channel = 0; channel < 3; channel++) {
      for (let i = 0; i < side; i++) {
        const line = (channel * height + box[1] + i) * width + box[0];
        const to = channel * channelStep + i * side * pixelStep;
        for (let j = 0; j < side; j++) out[to + j * pixelStep] = data[line + j]! / 255;
      }
    }
    return;
  }
  const rows = sampled(box[1], box[3], height, side);
  const columns = sampled(box[0], box[2], width, side);
  for (let channel = 0; channel < 3; channel++) {
    const plane = channel * width * height;
    for (let i = 0; i < side; i++) {
      const { from: y0, weights: wy } = rows[i]!;
      for (let j = 0; j < side; j++) {
        const { from: x0, weights: wx } = columns[j]!;
        let sum = 0;
        for (let y = 0; y < wy.length; y++) {
          const line = plane + (y0 + y) * width + x0;
          let lineSum = 0;
          for (let x = 0; x < wx.length; x++) lineSum += wx[x]! * data[line + x]!;
          sum += wy[y]! * lineSum;
        }
        out[channel * channelStep + (i * side + j) * pixelStep] = sum / 255;
      }
    }
  }
}

/** The run of source pixels that a target pixel averages, with their weights. */
interface Run {
  readonly from: number;
  readonly weights: Float64Array;
}

function sampled(start: number, end: number, size: number, bins: number): Run[] {
  const geometry = { outputSize: bins, spatialScale: 1, samplingRatio: 0, aligned: true, pool: 1 };
  const matrix = roiAxisWeights(start, end, size, geometry);
  return Array.from({ length: bins }, (_, bin) => {
    const row = matrix.subarray(bin * size, (bin + 1) * size);
    let from = row.findIndex((weight) => weight !== 0);
    const to = row.findLastIndex((weight) => weight !== 0);
    if (from < 0) from = to + 1;
    return { from, weights: row.slice(from, to + 1) };
  });
}

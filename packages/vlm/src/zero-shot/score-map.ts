import { checkArgument } from "@villa/data";
import type { Box } from "@villa/metrics";

/**
 * Scores of boxes as a map: each cell has the highest score of the boxes over its centre, NaN where there is none.
 *
 * @param image its size in pixels, the boxes in it as x0, y0, x1, y1 in pixels, and `scores` [boxes]
 * @param side cells of the longer side of the map; default 64
 * @returns `scores` [height, width] row-major, the size of the map in cells, and `scale`, cells for each pixel
 */
export function boxScoreMap(
  image: {
    readonly width: number;
    readonly height: number;
    readonly boxes: readonly Box[];
    readonly scores: ArrayLike<number>;
  },
  side = 64,
): { readonly scores: Float32Array; readonly width: number; readonly height: number; readonly scale: number } {
  checkArgument("image", image, { width: "count", height: "count", boxes: ["numbers"], scores: "numbers" });
  checkArgument("side?", side, "number");

  const scale = Math.min(1, side / Math.max(image.width, image.height));
  const width = Math.max(1, Math.round(image.width * scale));
  const height = Math.max(1, Math.round(image.height * scale));
  const scores = new Float32Array(width * height).fill(Number.NaN);
  image.boxes.forEach(([x0, y0, x1, y1], b) => {
    const score = image.scores[b]!;
    for (let y = Math.max(0, Math.ceil(y0 * scale - 0.5)); y < height && y + 0.5 < y1 * scale; y++) {
      for (let x = Math.max(0, Math.ceil(x0 * scale - 0.5)); x < width && x + 0.5 < x1 * scale; x++) {
        const at = y * width + x;
        if (!(scores[at]! >= score)) scores[at] = score;
      }
    }
  });
  return { scores, width, height, scale };
}

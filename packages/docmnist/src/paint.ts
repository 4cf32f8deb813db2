import { cellSize } from "./digits.ts";
import type { OutlinePixels } from "./outline.ts";

/** Grey values from here on take the colour; dimmer edge pixels stay grey. */
const colorThreshold = 120;

/** What is painted into one cell. */
export interface CellContents {
  /** [28, 28] uint8 at `offset` of `digits`. */
  readonly digits: Uint8Array;
  readonly offset: number;
  readonly rgb: readonly [number, number, number];
  /** A white outline and its anchor in the cell, or null. */
  readonly outline: { readonly pixels: OutlinePixels; readonly row: number; readonly column: number } | null;
}

/**
 * Paints a coloured digit and its outline into a cell of an image that is black there.
 *
 * @param image [3, height, width] uint8
 * @param x left pixel column of the cell
 * @param y top pixel row of the cell
 */
export function paintCell(
  image: Uint8Array,
  width: number,
  height: number,
  x: number,
  y: number,
  contents: CellContents,
): void {
  const plane = width * height;
  const { digits, rgb, outline } = contents;
  const [red, green, blue] = rgb;
  let source = contents.offset;
  for (let row = 0; row < cellSize; row++) {
    let target = (y + row) * width + x;
    for (const end = target + cellSize; target < end; target++) {
      const grey = digits[source++]!;
      if (grey === 0) continue;
      const isColored = grey >= colorThreshold;
      image[target] = isColored ? red : grey;
      image[target + plane] = isColored ? green : grey;
      image[target + 2 * plane] = isColored ? blue : grey;
    }
  }
  if (!outline) return;
  for (let i = 0; i < outline.pixels.length; i += 2) {
    const row = outline.row + outline.pixels[i]!;
    const column = outline.column + outline.pixels[i + 1]!;
    // Custom sizes may reach over the edge; a neighbouring cell must not show it.
    if (row < 0 || row >= cellSize || column < 0 || column >= cellSize) continue;
    const target = (y + row) * width + x + column;
    image[target] = image[target + plane] = image[target + 2 * plane] = 255;
  }
}

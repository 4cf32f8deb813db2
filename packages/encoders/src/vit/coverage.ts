import type { Regions } from "../regions/group-regions.ts";

/**
 * What share of each cell of the images' grids a region covers, scaled so that a region's shares add up to 1.
 *
 * @param grid [batch, rows, columns]
 * @returns [R, batch · rows · columns]; all zero for a region outside of its image
 */
export function coverage(
  { boxes, imageIndex, imageWidth }: Regions,
  [batch, rows, columns]: readonly [number, number, number],
): Float32Array {
  const cells = rows * columns;
  const scale = columns / imageWidth;
  const out = new Float32Array(imageIndex.length * batch * cells);
  for (let region = 0; region < imageIndex.length; region++) {
    const [x0, y0, x1, y1] = [0, 1, 2, 3].map((side) => boxes[region * 4 + side]! * scale);
    const shares = new Float64Array(cells);
    let sum = 0;
    for (let y = 0; y < rows; y++) {
      for (let x = 0; x < columns; x++) {
        const share = overlap(y, y0!, y1!) * overlap(x, x0!, x1!);
        shares[y * columns + x] = share;
        sum += share;
      }
    }
    if (sum === 0) continue;
    const to = (region * batch + imageIndex[region]!) * cells;
    for (let cell = 0; cell < cells; cell++) out[to + cell] = shares[cell]! / sum;
  }
  return out;
}

/** Length of what [from, to] and the cell [at, at + 1] share. */
function overlap(at: number, from: number, to: number): number {
  return Math.max(0, Math.min(at + 1, to) - Math.max(at, from));
}

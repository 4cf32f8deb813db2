import { type Box, checkArgument, VillaError } from "@villa/data";

export type { Box };

/** Area in square pixels; 0 for a box without width or height. */
function boxArea([x0, y0, x1, y1]: Box): number {
  return Math.max(0, x1 - x0) * Math.max(0, y1 - y0);
}

/** Intersection over union, 0 where there is no overlap. Coordinates are real numbers: no extra pixel. */
export function boxIou(a: Box, b: Box): number {
  checkArgument("a", a, "numbers");
  checkArgument("b", b, "numbers");
  return overlapOf(a, b);
}

/** {@link boxIou} of boxes that have been checked, for inner loops. */
export function overlapOf(a: Box, b: Box): number {
  const common = boxArea([Math.max(a[0], b[0]), Math.max(a[1], b[1]), Math.min(a[2], b[2]), Math.min(a[3], b[3])]);
  return common === 0 ? 0 : common / (boxArea(a) + boxArea(b) - common);
}

/** Whether a point is in a box grown by `tolerance` pixels on each side, its border included. */
export function boxHolds([x0, y0, x1, y1]: Box, [x, y]: readonly [x: number, y: number], tolerance = 0): boolean {
  return x >= x0 - tolerance && x <= x1 + tolerance && y >= y0 - tolerance && y <= y1 + tolerance;
}

/** @throws VillaError `InvalidArgument` for a box that is not four finite numbers with x0 ≤ x1 and y0 ≤ y1 */
export function checkBox(box: Box, where: string): void {
  const sound = box.length === 4 && box.every(Number.isFinite) && box[0] <= box[2] && box[1] <= box[3];
  if (!sound) {
    throw new VillaError("InvalidArgument", `${where} is [${box.join(", ")}], not corners x0, y0, x1, y1.`);
  }
}

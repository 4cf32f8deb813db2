/** Shapes that can be drawn around part of a digit. */
export type OutlineKind = "circle" | "rectangle" | "triangle" | "cross";

/** The kinds of outline, for messages and checks. */
export const outlineKinds: readonly OutlineKind[] = ["circle", "rectangle", "triangle", "cross"];

/** Pixels of an outline relative to its (row, column) anchor: row, column, row, column… */
export type OutlinePixels = Int32Array;

/**
 * The pixels of a shape.
 *
 * @param radius circle radius, triangle half height, cross arm
 * @param side side of the enclosed rectangle, less one
 * @returns offsets from the anchor, each pixel once
 */
export function outlinePixels(kind: OutlineKind, { radius, side }: { radius: number; side: number }): OutlinePixels {
  const pixels = new Map<string, [number, number]>();
  const plot = (row: number, column: number): void => {
    pixels.set(`${row},${column}`, [row, column]);
  };
  if (kind === "circle") circle(radius, plot);
  else if (kind === "rectangle") polygon(rectangleCorners(side), plot);
  else if (kind === "triangle") polygon(triangleCorners(radius), plot);
  else {
    line([-radius, 0], [radius, 0], plot);
    line([0, -radius], [0, radius], plot);
  }
  return Int32Array.from([...pixels.values()].flat());
}

type Plot = (row: number, column: number) => void;
type Point = readonly [row: number, column: number];

/** The line of pixels that scikit-image's `rectangle_perimeter(anchor, end=anchor + side)` draws around a rectangle. */
function rectangleCorners(side: number): Point[] {
  const far = side + 1;
  return [
    [-1, -1],
    [-1, far],
    [far, far],
    [far, -1],
  ];
}

function triangleCorners(radius: number): Point[] {
  return [
    [-radius, 0],
    [radius, radius],
    [radius, -radius],
  ];
}

/** Bresenham's circle as in scikit-image's `circle_perimeter`. */
function circle(radius: number, plot: Plot): void {
  let column = 0;
  let row = radius;
  let error = 3 - 2 * radius;
  while (row >= column) {
    for (const [r, c] of [
      [row, column],
      [column, row],
    ] as const) {
      plot(r, c);
      plot(-r, c);
      plot(r, -c);
      plot(-r, -c);
    }
    if (error < 0) error += 4 * column + 6;
    else error += 4 * (column - row--) + 10;
    column++;
  }
}

function polygon(corners: readonly Point[], plot: Plot): void {
  for (const [i, corner] of corners.entries()) line(corner, corners[(i + 1) % corners.length]!, plot);
}

function line([row0, column0]: Point, [row1, column1]: Point, plot: Plot): void {
  const steps = Math.max(Math.abs(row1 - row0), Math.abs(column1 - column0), 1);
  for (let i = 0; i <= steps; i++) {
    plot(Math.round(row0 + ((row1 - row0) * i) / steps), Math.round(column0 + ((column1 - column0) * i) / steps));
  }
}

/** An RGB picture to draw on, [height, width, 3] bytes. */
export interface Picture {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8Array;
}

export type Rgb = readonly [number, number, number];

export const shapes = ["mug", "ball", "box", "lamp", "bottle"] as const;
export type Shape = (typeof shapes)[number];
export type Pattern = "plain" | "striped" | "dotted";

/** A shelf against a wall. */
export function emptyShelf(width: number, height: number): Picture {
  const picture = { width, height, data: new Uint8Array(3 * width * height) };
  for (let y = 0; y < height; y++) {
    const isBoard = y % (height / 2) > height / 2 - 5;
    for (let x = 0; x < width; x++) put(picture, x, y, isBoard ? [120, 88, 60] : [222, 216, 206]);
  }
  return picture;
}

/** Draws a product into the box [x, y, x + size, y + size]. */
export function drawProduct(
  picture: Picture,
  { x, y, size }: { x: number; y: number; size: number },
  { shape, color, pattern }: { shape: Shape; color: Rgb; pattern: Pattern },
): void {
  const accent: Rgb = [Math.round(color[0] * 0.35), Math.round(color[1] * 0.35), Math.round(color[2] * 0.35)];
  for (let row = 0; row < size; row++) {
    for (let column = 0; column < size; column++) {
      // From -1 to 1 across the box.
      const [u, v] = [(2 * (column + 0.5)) / size - 1, (2 * (row + 0.5)) / size - 1];
      if (!covers(shape, u, v)) continue;
      const isAccent =
        (pattern === "striped" && Math.floor((v + 1) * 5) % 2 === 1) ||
        (pattern === "dotted" && ((u * 2.5 + 10) % 1) ** 2 + ((v * 2.5 + 10) % 1) ** 2 < 0.25);
      put(picture, x + column, y + row, isAccent ? accent : color);
    }
  }
}

/** Whether a shape covers the point (u, v) of its box, both from -1 to 1, v downwards. */
function covers(shape: Shape, u: number, v: number): boolean {
  switch (shape) {
    case "mug": {
      const handle = (u - 0.55) ** 2 + v ** 2;
      return (u > -0.8 && u < 0.45 && Math.abs(v) < 0.8) || (u >= 0.45 && handle < 0.18 && handle > 0.06);
    }
    case "ball":
      return u ** 2 + v ** 2 < 0.75;
    case "box":
      return Math.abs(u) < 0.85 && v > -0.6 && v < 0.85;
    case "lamp":
      return v < 0 ? Math.abs(u) < 0.35 + 0.5 * (v + 1) : Math.abs(u) < 0.1 || (v > 0.75 && Math.abs(u) < 0.45);
    case "bottle":
      return v < -0.3 ? Math.abs(u) < 0.14 : Math.abs(u) < 0.4;
  }
}

function put({ width, height, data }: Picture, x: number, y: number, color: Rgb): void {
  if (x < 0 || y < 0 || x >= width || y >= height) return;
  data.set(color, 3 * (y * width + x));
}

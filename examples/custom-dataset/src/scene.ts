// Outdoor scenes as SVG: a few kinds of things, each a polygon that is known exactly.
import type { RandomState } from "@villa/data";

/** A corner in units of the thing's box: 0 … 1, downwards. */
type Corner = readonly [number, number];

/** Outlines of the kinds of things, and what is drawn on them. */
const outlines: Readonly<Record<string, readonly Corner[]>> = {
  house: [
    [0, 0.4],
    [0.5, 0],
    [1, 0.4],
    [0.92, 0.4],
    [0.92, 1],
    [0.08, 1],
    [0.08, 0.4],
  ],
  tree: [
    [0.5, 0],
    [0.85, 0.35],
    [0.7, 0.35],
    [1, 0.75],
    [0.58, 0.75],
    [0.58, 1],
    [0.42, 1],
    [0.42, 0.75],
    [0, 0.75],
    [0.3, 0.35],
    [0.15, 0.35],
  ],
  boat: [
    [0, 0.65],
    [0.45, 0.65],
    [0.45, 0],
    [0.9, 0.58],
    [0.52, 0.58],
    [0.52, 0.65],
    [1, 0.65],
    [0.8, 1],
    [0.2, 1],
  ],
  kite: [
    [0.5, 0],
    [1, 0.38],
    [0.5, 1],
    [0, 0.38],
  ],
  car: [
    [0, 0.55],
    [0.16, 0.5],
    [0.3, 0],
    [0.72, 0],
    [0.86, 0.5],
    [1, 0.55],
    [1, 1],
    [0, 1],
  ],
  umbrella: [
    [0.5, 0],
    [0.85, 0.18],
    [1, 0.5],
    [0.54, 0.45],
    [0.54, 1],
    [0.46, 1],
    [0.46, 0.45],
    [0, 0.5],
    [0.15, 0.18],
  ],
};

/** Names of the kinds of things. */
export const things: readonly string[] = Object.keys(outlines);

/** Colours by name. */
export const colors: Readonly<Record<string, string>> = {
  red: "#c8322b",
  green: "#2f8f4e",
  blue: "#2f5fc4",
  yellow: "#eec53a",
  white: "#f6f5f0",
};

/** Something in a scene. */
export interface Thing {
  readonly kind: string;
  readonly color: string;
  /** x0, y0, x1, y1 in pixels. */
  readonly box: readonly [number, number, number, number];
}

/** x, y, x, y, … of a thing's outline in pixels. */
export function outline({ kind, box: [x0, y0, x1, y1] }: Thing): number[] {
  return outlines[kind]!.flatMap(([u, v]) => [x0 + u * (x1 - x0), y0 + v * (y1 - y0)]);
}

/** A scene of sky, ground and things, with the uneven light of a photo. */
export function sceneSvg(width: number, height: number, list: readonly Thing[], random: RandomState): string {
  const horizon = Math.round(height * (0.45 + 0.2 * random.randomSample()));
  const sky = ["#9cc3e6", "#c9d6df", "#f0c9a0"][random.choice(3)]!;
  const ground = ["#7f9a5b", "#b7a27a", "#6f8fa8"][random.choice(3)]!;
  const clouds = Array.from({ length: 3 }, () => {
    const [cx, cy] = [random.randomSample() * width, random.randomSample() * horizon * 0.6];
    return `<ellipse cx="${cx}" cy="${cy}" rx="${width / 9}" ry="${height / 28}" fill="#fff" opacity="0.5"/>`;
  });
  const shapes = list.map((thing) => {
    const [x0, , x1, y1] = thing.box;
    const shadow = `<ellipse cx="${(x0 + x1) / 2}" cy="${y1}" rx="${(x1 - x0) / 2}" ry="${(x1 - x0) / 14}" fill="#000" opacity="0.25"/>`;
    return `${shadow}<polygon points="${outline(thing)}" fill="${colors[thing.color]}" stroke="#333" stroke-width="${width / 320}"/>`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}">
<defs><linearGradient id="light" x2="1" y2="1"><stop stop-color="#fff" stop-opacity="0.25"/><stop offset="1" stop-opacity="0.25"/></linearGradient></defs>
<rect width="${width}" height="${height}" fill="${sky}"/>${clouds.join("")}
<rect y="${horizon}" width="${width}" height="${height - horizon}" fill="${ground}"/>${shapes.join("")}
<rect width="${width}" height="${height}" fill="url(#light)"/></svg>`;
}

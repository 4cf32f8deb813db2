import { VillaError } from "../../errors.ts";
import { checkList } from "../check-arguments.ts";
import { checkSize, type ImageSize, mergeRles, type Rle } from "./rle.ts";

/** Points are rounded to this fraction of a pixel before lines are drawn between them. */
const scale = 5;
/** Larger coordinates would take minutes to walk along, and are not pixels. */
const farthest = 2 ** 24;

/**
 * The mask of an object given as polygons: the union of what each covers.
 *
 * @param polygons each x, y, x, y, … in pixels
 * @throws VillaError `InvalidFile` for no polygon, fewer than two points, half a point, or numbers that are not coordinates
 */
export function polygonsRle(polygons: readonly (readonly number[])[], size: ImageSize): Rle {
  checkList(polygons, "The polygons of a segmentation");
  checkSize(size);
  if (polygons.length === 0) {
    throw new VillaError("InvalidFile", "A segmentation has no polygon; give at least one, or run lengths.");
  }
  return mergeRles(polygons.map((points) => polygonRle(points, size)));
}

/**
 * The pixels inside a polygon, exactly as COCO's `maskApi` finds them.
 *
 * The corners are rounded to a fifth of a pixel and joined by lines of such points. Wherever the line passes the centre of a
 * column of pixels, every pixel below that place in column-major order changes sides; the sorted places are the ends of
 * the runs.
 */
function polygonRle(points: readonly number[], size: ImageSize): Rle {
  checkPoints(points);
  const { height, width } = size;
  const corners = points.length / 2;
  const fine = (coordinate: number): number => Math.trunc(scale * coordinate + 0.5);
  const crossings: number[] = [];
  let lastX: number | undefined;
  let lastY = 0;
  const visit = (x: number, y: number): void => {
    if (lastX !== undefined && x !== lastX) {
      const column = ((x < lastX ? x : x - 1) + 0.5) / scale - 0.5;
      if (Number.isInteger(column) && column >= 0 && column <= width - 1) {
        const row = (Math.min(y, lastY) + 0.5) / scale - 0.5;
        crossings.push(column * height + Math.ceil(Math.min(Math.max(row, 0), height)));
      }
    }
    lastX = x;
    lastY = y;
  };
  for (let i = 0; i < corners; i++) {
    const j = (i + 1) % corners;
    const from = { x: fine(points[2 * i]!), y: fine(points[2 * i + 1]!) };
    walk(from, { x: fine(points[2 * j]!), y: fine(points[2 * j + 1]!) }, visit);
  }
  return { ...size, counts: runsBetween(Float64Array.from(crossings).sort(), height * width) };
}

interface Point {
  readonly x: number;
  readonly y: number;
}

/** Visits the points from one to the other, both included, one a step along the longer side. */
function walk(from: Point, to: Point, visit: (x: number, y: number) => void): void {
  const dx = Math.abs(to.x - from.x);
  const dy = Math.abs(to.y - from.y);
  const wide = dx >= dy;
  // The slope is always taken in the direction of growth, so that both directions round alike.
  const flip = wide ? from.x > to.x : from.y > to.y;
  const [start, end] = flip ? [to, from] : [from, to];
  const steps = wide ? dx : dy;
  const slope = steps === 0 ? 0 : wide ? (end.y - start.y) / dx : (end.x - start.x) / dy;
  for (let d = 0; d <= steps; d++) {
    const t = flip ? steps - d : d;
    if (wide) visit(start.x + t, Math.trunc(start.y + slope * t + 0.5));
    else visit(Math.trunc(start.x + slope * t + 0.5), start.y + t);
  }
}

/** Lengths between sorted places; two changes at one place cancel each other, and at the end there is nothing to change. */
function runsBetween(places: Float64Array, total: number): Uint32Array {
  const counts: number[] = [];
  let start = 0;
  for (let i = 0; i < places.length && places[i]! < total; i++) {
    if (places[i] === places[i + 1]) i++;
    else {
      counts.push(places[i]! - start);
      start = places[i]!;
    }
  }
  counts.push(total - start);
  return Uint32Array.from(counts);
}

function checkPoints(points: readonly number[]): void {
  if (!Array.isArray(points) || points.length < 4 || points.length % 2 !== 0) {
    throw new VillaError("InvalidFile", "A polygon is a list x, y, x, y, … of at least two points.");
  }
  for (const value of points) {
    if (!(Math.abs(value) <= farthest)) {
      throw new VillaError("InvalidFile", `A polygon has the coordinate ${value}, which is not a place in an image.`);
    }
  }
}

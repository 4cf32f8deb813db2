import { VillaError } from "../../errors.ts";
import { checkFunction, checkList, checkObject, isObject } from "../check-arguments.ts";
import { describe } from "../describe.ts";

/** Height and width of an image, in pixels. */
export interface ImageSize {
  readonly height: number;
  readonly width: number;
}

/**
 * A binary mask by the lengths of its runs, column after column from the top left: zeros, ones, zeros, … (COCO's RLE).
 *
 * The first run is of zeros and may be empty; the lengths add up to `height * width`.
 */
export interface Rle extends ImageSize {
  readonly counts: Uint32Array;
}

/** The mask's runs. @param mask [height, width] row-major, any value but 0 is inside */
export function encodeRle(mask: ArrayLike<number>, size: ImageSize): Rle {
  checkSize(size);
  const { height, width } = size;
  if (!isObject(mask) && !Array.isArray(mask)) {
    throw new VillaError("InvalidArgument", `A mask must be a list of pixels, not ${describe(mask)}.`);
  }
  if (mask.length !== height * width) {
    throw new VillaError(
      "Mismatch",
      `A mask of ${height} × ${width} has ${height * width} pixels, not ${mask.length}.`,
    );
  }
  const counts: number[] = [];
  let inside = false;
  let run = 0;
  for (let x = 0; x < width; x++) {
    for (let y = 0; y < height; y++) {
      if ((mask[y * width + x] !== 0) !== inside) {
        counts.push(run);
        run = 0;
        inside = !inside;
      }
      run++;
    }
  }
  counts.push(run);
  return { height, width, counts: Uint32Array.from(counts) };
}

/** The mask of some runs. @returns [height, width] row-major, 0 or 1 */
export function decodeRle(rle: Rle): Uint8Array {
  checkRle(rle);
  const { height, width, counts } = rle;
  const mask = new Uint8Array(height * width);
  let start = 0;
  for (let i = 0; i < counts.length; i++) {
    const end = start + counts[i]!;
    if (i % 2 === 1) for (let p = start; p < end; p++) mask[(p % height) * width + Math.floor(p / height)] = 1;
    start = end;
  }
  return mask;
}

/**
 * A mask in the pixels of an enlarged or shrunken image: each pixel has the value at its centre.
 *
 * A mask of thin or small parts may lose all of them when it is shrunk.
 */
export function resizeRle(mask: Rle, size: ImageSize): Rle {
  checkRle(mask);
  checkSize(size);
  const { height, width } = size;
  if (height === mask.height && width === mask.width) return mask;
  const from = decodeRle(mask);
  const to = new Uint8Array(height * width);
  const places = Array.from({ length: width }, (_, x) => Math.floor(((x + 0.5) * mask.width) / width));
  for (let y = 0; y < height; y++) {
    const line = Math.floor(((y + 0.5) * mask.height) / height) * mask.width;
    for (let x = 0; x < width; x++) to[y * width + x] = from[line + places[x]!]!;
  }
  return encodeRle(to, { height, width });
}

/** Visits the pixels inside, run after run: each is of one column, from a row to before another. */
export function forEachRun(rle: Rle, visit: (column: number, top: number, bottom: number) => void): void {
  checkRle(rle);
  checkFunction(visit, "What visits the runs of a mask");
  const { height, counts } = rle;
  let start = 0;
  for (let i = 0; i < counts.length; i++) {
    const end = start + counts[i]!;
    for (let from = start; i % 2 === 1 && from < end; ) {
      const column = Math.floor(from / height);
      const to = Math.min(end, (column + 1) * height); // a run goes on at the top of the next column
      visit(column, from - column * height, to - column * height);
      from = to;
    }
    start = end;
  }
}

/** Number of pixels inside a mask. */
export function rleArea(rle: { readonly counts: ArrayLike<number> }): number {
  checkCounts(rle);
  const { counts } = rle;
  let area = 0;
  for (let i = 1; i < counts.length; i += 2) area += counts[i]!;
  return area;
}

/**
 * The smallest box around the ones: x, y, width, height in pixels; all 0 for a mask that has no run of ones.
 *
 * A mask whose only runs of ones are empty gets the box that `maskApi` computes with unsigned integers: at the lower right
 * corner, with sides that wrapped around. It overlaps nothing.
 */
export function rleBox(rle: Rle): [x: number, y: number, width: number, height: number] {
  checkRle(rle);
  const { height, width, counts } = rle;
  const runs = counts.length - (counts.length % 2);
  if (runs === 0) return [0, 0, 0, 0];
  let [left, top, right, bottom] = [width, height, 0, 0];
  let end = 0;
  for (let i = 0; i < runs; i++) {
    const start = end;
    end += counts[i]!;
    if (i % 2 === 0 || end === start) continue;
    const firstColumn = Math.floor(start / height);
    const lastColumn = Math.floor((end - 1) / height);
    left = Math.min(left, firstColumn);
    right = Math.max(right, lastColumn);
    if (firstColumn < lastColumn) {
      top = 0;
      bottom = height - 1;
    } else {
      top = Math.min(top, start % height);
      bottom = Math.max(bottom, (end - 1) % height);
    }
  }
  return [left, top, (right - left + 1) >>> 0, (bottom - top + 1) >>> 0];
}

/**
 * Union of masks of one size.
 *
 * @throws VillaError `Mismatch` for masks of different sizes, `InvalidArgument` for none
 */
export function mergeRles(masks: readonly Rle[]): Rle {
  checkList(masks, "The masks to merge", isObject);
  for (const mask of masks) checkRle(mask);
  const [first, ...others] = masks;
  if (!first) throw new VillaError("InvalidArgument", "The union of no masks has no size; give at least one.");
  return others.reduce(unionOfTwo, first);
}

function unionOfTwo(a: Rle, b: Rle): Rle {
  if (a.height !== b.height || a.width !== b.width) {
    const sizes = `${a.height} × ${a.width} and ${b.height} × ${b.width}`;
    throw new VillaError("Mismatch", `Masks of ${sizes} pixels cannot be merged; make them of one size.`);
  }
  const total = a.height * a.width;
  const counts: number[] = [];
  let inside = false;
  let run = 0;
  let [i, j] = [0, 0];
  let [leftA, leftB] = [a.counts[0] ?? total, b.counts[0] ?? total];
  for (let position = 0; position < total; ) {
    // A run that is used up, or empty, gives way to the next one.
    while (leftA === 0) leftA = a.counts[++i] ?? total;
    while (leftB === 0) leftB = b.counts[++j] ?? total;
    const covered = i % 2 === 1 || j % 2 === 1;
    if (covered !== inside) {
      counts.push(run);
      run = 0;
      inside = covered;
    }
    const step = Math.min(leftA, leftB, total - position);
    run += step;
    position += step;
    leftA -= step;
    leftB -= step;
  }
  counts.push(run);
  return { height: a.height, width: a.width, counts: Uint32Array.from(counts) };
}

/** @throws VillaError `InvalidArgument` unless it has a height and a width */
export function checkSize(size: ImageSize): void {
  checkObject(size, "The size of a mask");
  for (const side of [size.height, size.width]) {
    if (Number.isSafeInteger(side) && side >= 0) continue;
    throw new VillaError("InvalidArgument", `The sides of a mask must be whole numbers, not ${describe(side)}.`);
  }
}

/** @throws VillaError `InvalidArgument` unless it has run lengths */
export function checkCounts(rle: { readonly counts: ArrayLike<number> }): void {
  checkObject(rle, "A mask");
  if (ArrayBuffer.isView(rle.counts) || Array.isArray(rle.counts)) return;
  throw new VillaError("InvalidArgument", `The run lengths of a mask must be a list, not ${describe(rle.counts)}.`);
}

function checkRle(rle: Rle): void {
  checkCounts(rle);
  checkSize(rle);
}

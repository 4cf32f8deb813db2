import { VillaError } from "@villa/data";
import type { MaskStore } from "../mask/mask-store.ts";
import { polygonsRle } from "../mask/polygon-rle.ts";
import type { ImageSize, Rle } from "../mask/rle.ts";
import { parseRleCounts, parseRleString } from "../mask/rle-string.ts";

/** True objects or detections, one an entry of every array. */
export interface ObjectColumns {
  readonly count: number;
  /** [n] place of the image among the sorted ids. */
  readonly image: Int32Array;
  /** [n] place of the category among the sorted ids; -1 for a detection of a category that the truth does not know. */
  readonly category: Int32Array;
  /** [n, 4] x, y, width, height; the mask's where an object has none. */
  readonly boxes: Float64Array;
  /** The masks, where these are compared. */
  readonly masks: MaskStore | undefined;
  /** [n] in square pixels. */
  readonly area: Float64Array;
}

/** A record of unknown content. @throws VillaError `InvalidFile` */
export function readRecord(value: unknown, where: string): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new VillaError("InvalidFile", `${where} is not an object.`);
}

/** A whole number that names something. @throws VillaError `InvalidFile` */
export function readId(value: unknown, where: string): number {
  if (typeof value === "number" && Number.isSafeInteger(value)) return value;
  if (typeof value === "number" && Number.isInteger(value)) {
    const message = `${where} is ${value}, above 2^53, where neighbouring numbers can no longer be told apart; renumber the file.`;
    throw new VillaError("InvalidFile", message);
  }
  throw new VillaError("InvalidFile", `${where} is ${JSON.stringify(value)}, not a whole number; renumber the file.`);
}

/** Writes x, y, width, height to `boxes` at `i`. @throws VillaError `InvalidFile` */
export function readBox(value: unknown, { boxes, i, where }: { boxes: Float64Array; i: number; where: string }): void {
  if (!Array.isArray(value) || value.length !== 4) {
    throw new VillaError("InvalidFile", `${where} has no "bbox" of four numbers (x, y, width, height).`);
  }
  for (let k = 0; k < 4; k++) {
    const number: unknown = value[k];
    if (typeof number !== "number" || !Number.isFinite(number)) {
      throw new VillaError("InvalidFile", `${where} has ${JSON.stringify(value)} as "bbox", not four finite numbers.`);
    }
    boxes[4 * i + k] = number;
  }
}

/**
 * Reads a segmentation: polygons, or run lengths, plain or compressed.
 *
 * @param size the image's, if it is known
 * @throws VillaError `InvalidFile` for anything else, `Mismatch` for a mask of another size than the image's
 */
export function readMask(value: unknown, { size, where }: { size: ImageSize | undefined; where: string }): Rle {
  try {
    if (Array.isArray(value)) return polygonsRle(value, countable(knownSize(size)));
    const { counts, size: stated } = readRecord(value, "It");
    if (!Array.isArray(stated) || stated.length !== 2 || !stated.every(isSide)) {
      throw new VillaError("InvalidFile", `The "size" ${JSON.stringify(stated)} is not [height, width].`);
    }
    const own = countable({ height: Number(stated[0]), width: Number(stated[1]) });
    if (size && (own.height !== size.height || own.width !== size.width)) {
      const sizes = `${own.height} × ${own.width}, but its image ${size.height} × ${size.width}`;
      throw new VillaError("Mismatch", `The mask is ${sizes} pixels (height × width).`);
    }
    if (typeof counts === "string") return parseRleString(counts, own);
    if (Array.isArray(counts)) return parseRleCounts(counts, own);
    throw new VillaError("InvalidFile", 'It has no "counts".');
  } catch (cause) {
    if (!(cause instanceof VillaError)) throw cause;
    throw new VillaError(cause.code, `The segmentation of ${where} cannot be read: ${cause.message}`, { cause });
  }
}

/** True for the side of an image: whole, positive, and no more than slides of a microscope have. */
export function isSide(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value > 0 && value <= 2 ** 24;
}

function knownSize(size: ImageSize | undefined): ImageSize {
  if (size) return size;
  throw new VillaError("InvalidFile", 'Polygons need the "width" and "height" of their image, which are not given.');
}

/** Run lengths are of 32 bits. */
function countable(size: ImageSize): ImageSize {
  if (size.height * size.width <= 0xffffffff) return size;
  throw new VillaError(
    "Unsupported",
    `An image of ${size.height} × ${size.width} has too many pixels for run lengths.`,
  );
}

import { type ImageSize, parseSegmentation, type Rle, VillaError } from "@villa/data";
import type { MaskStore } from "./mask-store.ts";

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

/** An id, which is a whole number. @throws VillaError `InvalidFile` */
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
    return parseSegmentation(value, size);
  } catch (cause) {
    if (!(cause instanceof VillaError)) throw cause;
    throw new VillaError(cause.code, `The segmentation of ${where} cannot be read: ${cause.message}`, { cause });
  }
}

/** Whether a value can be the side of an image in pixels: whole, positive, and at most what microscope slides have. */
export function isSide(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value > 0 && value <= 2 ** 24;
}

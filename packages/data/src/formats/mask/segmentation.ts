import { VillaError } from "../../errors.ts";
import { isObject } from "../check-arguments.ts";
import { polygonsRle } from "./polygon-rle.ts";
import type { ImageSize, Rle } from "./rle.ts";
import { parseRleCounts, parseRleString } from "./rle-string.ts";

/**
 * Reads a segmentation as COCO has it: polygons, or `{ size: [height, width], counts }` with run lengths as a list of
 * numbers or compressed.
 *
 * @param size the image's, if it is known; polygons need it
 * @throws VillaError `InvalidFile` for anything else, `Mismatch` for a mask of another size than the image's, `Unsupported`
 *   for more than 2³² pixels
 */
export function parseSegmentation(value: unknown, size: ImageSize | undefined): Rle {
  if (Array.isArray(value)) return polygonsRle(value, countable(knownSize(size)));
  if (!isObject(value)) throw new VillaError("InvalidFile", "It is not an object.");
  const { counts, size: stated } = value;
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
}

/** Whether a value can be the side of an image in pixels: whole, positive, and at most what microscope slides have. */
function isSide(value: unknown): value is number {
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

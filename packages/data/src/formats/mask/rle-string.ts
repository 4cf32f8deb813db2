import { VillaError } from "../../errors.ts";
import { checkText } from "../check-arguments.ts";
import { checkCounts, checkSize, type ImageSize, type Rle } from "./rle.ts";

/**
 * Reads COCO's compressed run lengths: characters `0` … `o`, each of five bits and a bit that says whether more follow,
 * least significant first, signed; from the fourth on, a length is stored as its difference to the one before the last.
 *
 * @throws VillaError `InvalidFile` for other characters, an end within a number, or lengths that are not the mask's
 */
export function parseRleString(text: string, size: ImageSize): Rle {
  checkText(text, "Compressed run lengths");
  checkSize(size);
  const { height, width } = size;
  const counts = new Uint32Array(text.length);
  let length = 0;
  let total = 0;
  for (let p = 0; p < text.length; ) {
    let value = 0;
    let unit = 1;
    for (let more = true; more; ) {
      const bits = p < text.length ? text.charCodeAt(p++) - 48 : -1;
      if (bits < 0 || bits > 63 || unit > 2 ** 35) {
        throw new VillaError("InvalidFile", `"${excerpt(text)}" are not compressed run lengths of a COCO mask.`);
      }
      value += (bits & 31) * unit;
      unit *= 32;
      more = (bits & 32) !== 0;
      if (!more && (bits & 16) !== 0) value -= unit;
    }
    if (length > 2) value += counts[length - 2]!;
    if (value < 0 || value > 0xffffffff) {
      throw new VillaError("InvalidFile", `The mask "${excerpt(text)}" has a run of ${value} pixels.`);
    }
    counts[length++] = value;
    total += value;
  }
  checkTotal(total, { height, width });
  return { height, width, counts: counts.slice(0, length) };
}

/** COCO's compressed run lengths, as `pycocotools.mask.encode` writes them. */
export function formatRleString(rle: Rle): string {
  checkCounts(rle);
  const { counts } = rle;
  let text = "";
  for (let i = 0; i < counts.length; i++) {
    let value = counts[i]! - (i > 2 ? counts[i - 2]! : 0);
    for (let more = true; more; ) {
      const bits = value & 31; // two's complement, as the shift of a signed integer in C
      value = Math.floor(value / 32);
      more = (bits & 16) !== 0 ? value !== -1 : value !== 0;
      text += String.fromCharCode(48 + bits + (more ? 32 : 0));
    }
  }
  return text;
}

/** Checks run lengths that come as a list of numbers. @throws VillaError `InvalidFile` */
export function parseRleCounts(list: readonly unknown[], { height, width }: ImageSize): Rle {
  const counts = new Uint32Array(list.length);
  let total = 0;
  list.forEach((count, i) => {
    if (typeof count !== "number" || !Number.isInteger(count) || count < 0 || count > 0xffffffff) {
      throw new VillaError("InvalidFile", `Run ${i} of a COCO mask has the length ${String(count)}.`);
    }
    counts[i] = count;
    total += count;
  });
  checkTotal(total, { height, width });
  return { height, width, counts };
}

function checkTotal(total: number, { height, width }: ImageSize): void {
  if (total === height * width) return;
  throw new VillaError(
    "InvalidFile",
    `The runs of a mask of ${height} × ${width} add up to ${total} pixels, not ${height * width}.`,
  );
}

const excerpt = (text: string): string => (text.length > 20 ? `${text.slice(0, 20)}…` : text);

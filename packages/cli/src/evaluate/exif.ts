import type { RgbImage } from "@villa/data";
import type { Box } from "@villa/metrics";

/** How a photo is turned to stand upright, as EXIF counts: 1 as it is, 2 mirrored, 3 by 180°, … 6 a quarter to the right. */
type ExifOrientation = 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8;

/**
 * The orientation that a JPEG file says; 1 where it says none.
 *
 * @see CIPA DC-008, Exif 2.32, section 4.6.4, tag 0x0112
 */
export function exifOrientation(bytes: Uint8Array): ExifOrientation {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 4 || view.getUint16(0) !== 0xffd8) return 1;
  // Segments: marker, length, content; the picture itself follows them.
  for (let at = 2; at + 4 <= bytes.length && bytes[at] === 0xff && bytes[at + 1] !== 0xda; ) {
    const length = view.getUint16(at + 2);
    const isExif = bytes[at + 1] === 0xe1 && text(bytes, at + 4) === "Exif";
    if (isExif) return tiffOrientation(view, { start: at + 10, end: Math.min(bytes.length, at + 2 + length) });
    at += 2 + length;
  }
  return 1;
}

const text = (bytes: Uint8Array, at: number): string => String.fromCharCode(...bytes.subarray(at, at + 4));

function tiffOrientation(
  view: DataView,
  { start, end }: { readonly start: number; readonly end: number },
): ExifOrientation {
  if (start + 8 > end) return 1;
  const little = view.getUint16(start) === 0x4949;
  const directory = start + view.getUint32(start + 4, little);
  if (directory + 2 > end) return 1;
  const entries = view.getUint16(directory, little);
  for (let entry = directory + 2; entry < directory + 2 + 12 * entries && entry + 12 <= end; entry += 12) {
    if (view.getUint16(entry, little) !== 0x0112) continue;
    const value = view.getUint16(entry + 8, little);
    return value >= 1 && value <= 8 ? (value as ExifOrientation) : 1;
  }
  return 1;
}

/** What is done to a photo: mirrored left to right, then turned clockwise by quarters. */
const steps: Readonly<Record<ExifOrientation, readonly [mirrored: boolean, quarters: number]>> = {
  1: [false, 0],
  2: [true, 0],
  3: [false, 2],
  4: [true, 2],
  5: [true, 3],
  6: [false, 1],
  7: [true, 1],
  8: [false, 3],
};

/** A photo as a viewer shows it, and where a box of the stored pixels is in that. */
export function turned(
  image: RgbImage,
  orientation: ExifOrientation,
): { readonly image: RgbImage; readonly place: (box: Box) => Box } {
  const [mirrored, quarters] = steps[orientation];
  const { width, height } = image;
  const isAcross = quarters % 2 === 1;
  const size = { width: isAcross ? height : width, height: isAcross ? width : height };
  /** A point of the stored picture in the upright one; of lines between pixels, so that sides are 0 … width. */
  const point = (x: number, y: number): readonly [number, number] => {
    const own = mirrored ? width - x : x;
    if (quarters === 1) return [height - y, own];
    if (quarters === 2) return [width - own, height - y];
    return quarters === 3 ? [y, width - own] : [own, y];
  };
  const place = ([x0, y0, x1, y1]: Box): Box => {
    const [[ax, ay], [bx, by]] = [point(x0, y0), point(x1, y1)];
    return [Math.min(ax, bx), Math.min(ay, by), Math.max(ax, bx), Math.max(ay, by)];
  };
  if (orientation === 1) return { image, place };
  const data = new Uint8Array(image.data.length);
  const plane = width * height;
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [px, py] = point(x + 0.5, y + 0.5);
      const to = Math.floor(py) * size.width + Math.floor(px);
      for (let c = 0; c < 3; c++) data[c * plane + to] = image.data[c * plane + y * width + x]!;
    }
  }
  return { image: { ...size, channels: 3, data }, place };
}

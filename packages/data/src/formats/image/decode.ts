import { isVillaError, VillaError } from "../../errors.ts";
import { readSparseCoo } from "../numpy/sparse.ts";
import type { TensorData } from "../tensor.ts";
import { looksLikeZip } from "../zip/reader.ts";
import { decodeJpeg } from "./jpeg.ts";
import { decodePng } from "./png.ts";

/** An image as encoders take it. */
export interface RgbImage {
  readonly width: number;
  readonly height: number;
  readonly channels: 3;
  /** [3, height, width], 0–255. */
  readonly data: Uint8Array;
}

/** Larger images are refused before they are decompressed. */
export const largestImage = 100_000_000;

/**
 * Decodes a sparse COO array [3, H, W] (or [H, W]: grey) of uint8, a PNG, or a baseline or progressive JPEG; which one
 * is seen from the first bytes. Grey becomes RGB, transparency is dropped, 16-bit samples lose their lower byte.
 *
 * @throws VillaError `InvalidFile` when damaged, `Unsupported` for other formats, `UnsafeFile` above 100 megapixels
 */
export async function decodeImage(bytes: Uint8Array): Promise<RgbImage> {
  if (looksLikeZip(bytes)) return fromArray(readSparseCoo(bytes));
  const png = bytes[0] === 0x89 && bytes[1] === 0x50;
  const jpeg = bytes[0] === 0xff && bytes[1] === 0xd8;
  if (!png && !jpeg) throw new VillaError("Unsupported", "The image is neither a sparse array, a PNG nor a JPEG.");
  try {
    return png ? await decodePng(bytes) : await decodeJpeg(bytes);
  } catch (cause) {
    if (isVillaError(cause)) throw cause;
    throw new VillaError("InvalidFile", `The ${png ? "PNG" : "JPEG"} image is damaged.`, { cause });
  }
}

function fromArray({ dtype, shape, data }: TensorData): RgbImage {
  const [height, width] = shape.slice(-2);
  const channels = shape.length === 2 ? 1 : shape[0];
  if (dtype !== "uint8" || !height || !width || shape.length > 3 || (channels !== 1 && channels !== 3)) {
    throw new VillaError("InvalidFile", `An image must be a uint8 array [3, H, W], not ${dtype} [${shape}].`);
  }
  const pixels = data as Uint8Array;
  if (channels === 3) return { width, height, channels: 3, data: pixels };
  const rgb = new Uint8Array(3 * pixels.length);
  for (let c = 0; c < 3; c++) rgb.set(pixels, c * pixels.length);
  return { width, height, channels: 3, data: rgb };
}

/** @throws VillaError `UnsafeFile` */
export function checkImageSize(width: number, height: number): void {
  if (!(width * height <= largestImage)) {
    throw new VillaError("UnsafeFile", `An image of ${width}×${height} pixels is larger than is read here.`);
  }
}

import { isVillaError, VillaError } from "../../errors.ts";
import { checkBytes } from "../check-arguments.ts";
import { Allowance, type ReadLimits } from "../limits.ts";
import { readSparseWithin } from "../numpy/sparse.ts";
import { otherKind } from "../recognize.ts";
import type { TensorData } from "../tensor.ts";
import { looksLikeZip } from "../zip/reader.ts";
import { decodeJpeg } from "./jpeg/decode-jpeg.ts";
import { decodePng } from "./png.ts";
import type { RgbImage } from "./rgb-image.ts";

/**
 * Decodes a sparse COO array [3, H, W] (or [H, W]: grey) of uint8, a PNG, or a baseline or progressive JPEG; which one
 * is seen from the first bytes. Grey becomes RGB, transparency is dropped, 16-bit samples lose their lower byte.
 *
 * @param limits pixels, bytes and steps of work beyond which an image is refused
 * @throws VillaError `InvalidFile` when damaged, `Unsupported` for other formats, `UnsafeFile` beyond the limits
 */
export async function decodeImage(bytes: Uint8Array, limits: ReadLimits = {}): Promise<RgbImage> {
  checkBytes(bytes);
  const allowance = new Allowance(bytes.length, limits);
  const [first, second] = bytes;
  const isPng = first === 0x89 && second === 0x50;
  if (!isPng && !(first === 0xff && second === 0xd8)) {
    if (looksLikeZip(bytes))
      return fromArray(readSparseWithin(bytes, allowance, { checkShape: checkImageShape(allowance) }), allowance);
    throw new VillaError("Unsupported", `The image is neither a sparse array, a PNG nor a JPEG${otherKind(bytes)}.`);
  }
  try {
    return isPng ? decodePng(bytes, allowance) : decodeJpeg(bytes, allowance);
  } catch (cause) {
    if (isVillaError(cause)) throw cause;
    throw new VillaError("InvalidFile", `The ${isPng ? "PNG" : "JPEG"} image is damaged.`, { cause });
  }
}

function checkImageShape(allowance: Allowance): (shape: readonly number[]) => void {
  return (shape) => {
    const [height = 0, width = 0] = shape.slice(-2);
    allowance.checkPixels(width, height);
  };
}

function fromArray({ dtype, shape, data }: TensorData, allowance: Allowance): RgbImage {
  const [height, width] = shape.slice(-2);
  const channels = shape.length === 2 ? 1 : shape[0];
  if (dtype !== "uint8" || !height || !width || shape.length > 3 || (channels !== 1 && channels !== 3)) {
    throw new VillaError("InvalidFile", `An image must be a uint8 array [3, H, W], not ${dtype} [${shape}].`);
  }
  const pixels = data as Uint8Array;
  if (channels === 3) return { width, height, channels: 3, data: pixels };
  allowance.take(3 * pixels.length, "The image");
  const rgb = new Uint8Array(3 * pixels.length);
  for (let c = 0; c < 3; c++) rgb.set(pixels, c * pixels.length);
  return { width, height, channels: 3, data: rgb };
}

import { VillaError } from "../../errors.ts";
import type { Allowance } from "../limits.ts";
import { crc32 } from "../zip/crc32.ts";
import { adler32, inflateExactly } from "../zip/inflate.ts";
import { checkPalette, type PngHeader, PngLabels, PngPixels, pngPasses, rawSize } from "./png-pixels.ts";
import type { RgbImage } from "./rgb-image.ts";

/** An image whose pixels are numbers of regions or classes. */
export interface LabelMap {
  readonly width: number;
  readonly height: number;
  /** [height, width] */
  readonly labels: Uint32Array;
}

// Portable Network Graphics, https://www.w3.org/TR/png-3/

const signature = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];
/** Samples a pixel of each colour type. */
const samplesOfType: ReadonlyMap<number, number> = new Map([
  [0, 1],
  [2, 3],
  [3, 1],
  [4, 2],
  [6, 4],
]);
/** Depths of each colour type. */
const depthsOfType: ReadonlyMap<number, readonly number[]> = new Map([
  [0, [1, 2, 4, 8, 16]],
  [2, [8, 16]],
  [3, [1, 2, 4, 8]],
  [4, [8, 16]],
  [6, [8, 16]],
]);

/** Every kind of PNG. Only the image itself is decompressed, no profiles or texts. @see decodeImage */
export function decodePng(bytes: Uint8Array, allowance: Allowance): RgbImage {
  const { header, palette, raw } = readRaw(bytes, allowance, 3);
  const { width, height } = header;
  const pixels = new PngPixels(header, palette);
  let at = 0;
  for (const pass of pngPasses(header)) at = pixels.addPass(raw, at, pass);
  return { width, height, channels: 3, data: pixels.rgb };
}

/** The filtered rows. @param perPixel bytes of the result */
function readRaw(bytes: Uint8Array, allowance: Allowance, perPixel: number) {
  if (bytes.length < 33 || signature.some((byte, i) => bytes[i] !== byte)) throw damaged("it is truncated");
  // The size is at a fixed place: an absurd one is refused before anything else is looked at.
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  allowance.checkPixels(view.getUint32(16), view.getUint32(20));
  const { header, palette, compressed } = readChunks(bytes, allowance);
  const { width, height } = header;
  const size = rawSize(header);
  allowance.take(size + perPixel * width * height, "The image");
  allowance.work(4 * width * height, "The image");
  checkPalette(header, palette);
  return { header, palette, raw: inflateZlib(compressed, size) };
}

/** Samples as they are stored. @see decodeLabelMap */
export function decodePngLabels(bytes: Uint8Array, allowance: Allowance): LabelMap {
  const { header, raw } = readRaw(bytes, allowance, 4);
  const { width, height, depth, samples } = header;
  if (samples >= 3 && depth !== 8) {
    throw new VillaError("Unsupported", "A label map in colours must have 8 bits a channel; save it as one of grey.");
  }
  const labels = new PngLabels(header);
  let at = 0;
  for (const pass of pngPasses(header)) at = labels.addPass(raw, at, pass);
  return { width, height, labels: labels.values };
}

interface Chunks {
  readonly header: PngHeader;
  readonly palette: Uint8Array | undefined;
  readonly compressed: Uint8Array;
}

function readChunks(bytes: Uint8Array, allowance: Allowance): Chunks {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let header: PngHeader | undefined;
  let palette: Uint8Array | undefined;
  const parts: Uint8Array[] = [];
  for (let at = signature.length; ; ) {
    if (at + 12 > bytes.length) throw damaged("it is truncated");
    const length = view.getUint32(at);
    const end = at + 12 + length;
    if (end > bytes.length) throw damaged("it is truncated");
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (crc32(bytes.subarray(at + 4, end - 4)) !== view.getUint32(end - 4)) {
      throw damaged(`a checksum is wrong (at byte ${at})`);
    }
    const body = bytes.subarray(at + 8, end - 4);
    if (type === "IHDR") {
      if (header) throw damaged("it has two headers");
      header = readHeader(body);
    } else if (!header) throw damaged("it does not begin with its header");
    else if (type === "PLTE") palette = body;
    else if (type === "IDAT") parts.push(body);
    else if (type === "IEND") {
      if (parts.length === 0) throw damaged("it holds no image");
      return { header, palette, compressed: join(parts, allowance) };
    }
    // A capital first letter: a chunk without which the image cannot be understood.
    else if (/^[A-Z]/.test(type))
      throw new VillaError(
        "Unsupported",
        "The PNG image has a critical chunk of an unknown type; save it again as an ordinary PNG.",
      );
    at = end;
  }
}

function readHeader(body: Uint8Array): PngHeader {
  if (body.length !== 13) throw damaged("its header is malformed");
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength);
  const [width, height] = [view.getUint32(0), view.getUint32(4)];
  const [depth, colorType, compression, filter, interlace] = body.subarray(8);
  const samples = samplesOfType.get(colorType!);
  const isKnown = samples !== undefined && depthsOfType.get(colorType!)!.includes(depth!);
  if (!isKnown || width === 0 || height === 0 || compression !== 0 || filter !== 0 || interlace! > 1) {
    throw damaged("its header is malformed");
  }
  return { width, height, depth: depth!, samples, indexed: colorType === 3, interlaced: interlace === 1 };
}

/** Zlib's format: two bytes, a deflate stream, its Adler-32. */
function inflateZlib(compressed: Uint8Array, size: number): Uint8Array {
  const [method = 0, flags = 0] = compressed;
  if (compressed.length < 6 || (method & 15) !== 8 || ((method << 8) | flags) % 31 !== 0 || flags & 32) {
    throw damaged("its image data are not a zlib stream");
  }
  const raw = inflateExactly(compressed.subarray(2), size);
  if (raw.length > size) throw damaged("its data goes on after its last row");
  if (raw.length < size) throw damaged("its data ends too early");
  if (!isEndOf(compressed, raw)) throw damaged("its data has a wrong checksum (Adler-32)");
  return raw;
}

/** Looks for the checksum at the end; some writers leave bytes of no meaning behind it. */
function isEndOf(compressed: Uint8Array, raw: Uint8Array): boolean {
  const sum = adler32(raw);
  const expected = [sum >>> 24, (sum >>> 16) & 255, (sum >>> 8) & 255, sum & 255];
  const first = Math.max(2, compressed.length - mostPadding);
  for (let at = compressed.length - 4; at >= first; at--) {
    if (expected.every((byte, i) => compressed[at + i] === byte)) return true;
  }
  return false;
}

const mostPadding = 1 << 12;

function join(parts: readonly Uint8Array[], allowance: Allowance): Uint8Array {
  if (parts.length === 1) return parts[0]!;
  const size = parts.reduce((sum, part) => sum + part.length, 0);
  allowance.take(size, "The image");
  const joined = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    joined.set(part, at);
    at += part.length;
  }
  return joined;
}

function damaged(why: string): VillaError {
  return new VillaError("InvalidFile", `The PNG image is damaged: ${why}.`);
}

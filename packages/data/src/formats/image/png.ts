import { checkImageSize, type RgbImage } from "./decode.ts";

/** @see decodeImage */
export async function decodePng(bytes: Uint8Array): Promise<RgbImage> {
  // The size is in the first chunk, at a fixed place.
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  checkImageSize(view.getUint32(16), view.getUint32(20));
  const { convertIndexedToRgb, decode } = await import("fast-png");
  const png = decode(bytes, { checkCrc: true });
  const { width, height } = png;
  const indexed = png.palette !== undefined;
  const samples = indexed ? convertIndexedToRgb(png) : unpack(png.data, png.depth, width, height, png.channels);
  const channels = indexed ? png.palette![0]!.length : png.channels;
  const size = width * height;
  const data = new Uint8Array(3 * size);
  const grey = channels < 3;
  for (let i = 0; i < size; i++) {
    for (let c = 0; c < 3; c++) data[c * size + i] = samples[i * channels + (grey ? 0 : c)]!;
  }
  return { width, height, channels: 3, data };
}

/** Samples of any depth as bytes, full white always 255. */
function unpack(
  data: ArrayLike<number>,
  depth: number,
  width: number,
  height: number,
  channels: number,
): ArrayLike<number> {
  if (depth === 8) return data;
  if (depth === 16) return Uint8Array.from({ length: data.length }, (_, i) => data[i]! >> 8);
  // Grey of 1, 2 or 4 bits: several samples a byte, each row starting a new byte.
  const perByte = 8 / depth;
  const rowBytes = Math.ceil((width * channels) / perByte);
  const largest = (1 << depth) - 1;
  return Uint8Array.from({ length: width * height * channels }, (_, i) => {
    const row = Math.floor(i / (width * channels));
    const column = i - row * width * channels;
    const byte = data[row * rowBytes + Math.floor(column / perByte)]!;
    const sample = (byte >> (8 - depth * ((column % perByte) + 1))) & largest;
    return (sample * 255) / largest;
  });
}

import { checkImageSize, largestImage, type RgbImage } from "./decode.ts";

/** @see decodeImage */
export async function decodeJpeg(bytes: Uint8Array): Promise<RgbImage> {
  // jpeg-js is CommonJS: once it is bundled, the module has a default export and no others.
  const { default: jpeg } = (await import("jpeg-js")) as unknown as { default: typeof import("jpeg-js") };
  const image = jpeg.decode(bytes, {
    useTArray: true,
    formatAsRGBA: false,
    tolerantDecoding: false,
    maxResolutionInMP: largestImage / 1e6,
    maxMemoryUsageInMB: 2048,
  });
  const { width, height } = image;
  checkImageSize(width, height);
  const size = width * height;
  const data = new Uint8Array(3 * size);
  for (let i = 0; i < size; i++) for (let c = 0; c < 3; c++) data[c * size + i] = image.data[3 * i + c]!;
  return { width, height, channels: 3, data };
}

import { encode } from "fast-png";
import { VillaError } from "../../errors.ts";
import { checkBytes, checkObject } from "../check-arguments.ts";
import type { RgbImage } from "./rgb-image.ts";

/** A picture as canvases and PNG hold it. */
export interface RgbaImage {
  readonly width: number;
  readonly height: number;
  /** [height, width, 4] uint8 */
  readonly data: Uint8Array;
}

/**
 * Encodes a picture as PNG, 8 bits a channel; without an alpha channel when every pixel is opaque.
 *
 * @param image interleaved [height, width, 4], or planes [3, height, width] as `decodeImage` returns them
 * @throws VillaError `InvalidArgument` when sides and data do not fit together
 */
export function encodePng(image: RgbaImage | RgbImage): Uint8Array {
  checkObject(image, "A picture");
  checkBytes(image.data);
  const { width, height, data } = image;
  const area = width * height;
  const isPlanar = "channels" in image;
  if (
    !(Number.isInteger(width) && Number.isInteger(height) && width > 0 && height > 0) ||
    data.length !== area * (isPlanar ? 3 : 4)
  ) {
    throw new VillaError(
      "InvalidArgument",
      `A picture of ${width}×${height} pixels needs ${isPlanar ? "3" : "4"} bytes for each of them; ${data.length} bytes were given.`,
    );
  }
  if (isPlanar) return png(width, height, 3, (pixel, channel) => data[channel * area + pixel]!);
  const channels = isOpaque(data) ? 3 : 4;
  return png(width, height, channels, (pixel, channel) => data[4 * pixel + channel]!);
}

function png(
  width: number,
  height: number,
  channels: number,
  sample: (pixel: number, channel: number) => number,
): Uint8Array {
  const data = new Uint8Array(width * height * channels);
  for (let pixel = 0, to = 0; pixel < width * height; pixel++) {
    for (let channel = 0; channel < channels; channel++) data[to++] = sample(pixel, channel);
  }
  return encode({ width, height, data, channels, depth: 8 }, { zlib: { level: 6 } });
}

function isOpaque(data: Uint8Array): boolean {
  for (let alpha = 3; alpha < data.length; alpha += 4) if (data[alpha] !== 255) return false;
  return true;
}

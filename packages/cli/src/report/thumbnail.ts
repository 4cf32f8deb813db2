import type { Box, RgbImage } from "@villa/data";
import { encodePng, renderSample } from "@villa/docmnist";

/** A picture with boxes as a PNG about `side` pixels wide: small ones are enlarged, large ones averaged down. */
export function thumbnail(image: RgbImage, boxes: readonly (readonly number[])[], side: number): Uint8Array {
  const { picture, factor } = shrunk(image, side);
  const regions = boxes.map((box) => ({ box: box.map((edge) => edge / factor) as unknown as Box, attributes: [] }));
  const scale = Math.max(1, Math.min(8, Math.round(side / picture.width)));
  const sample = { width: picture.width, height: picture.height, image: picture.data, regions, text: "" };
  return encodePng(renderSample(sample, { scale, captions: false }));
}

/** An image made smaller by a whole factor until it is not much wider or higher than `side`. */
export function shrunk(image: RgbImage, side: number): { picture: RgbImage; factor: number } {
  const factor = Math.max(1, Math.round(Math.max(image.width, image.height) / side));
  if (factor === 1) return { picture: image, factor };
  const [width, height] = [Math.floor(image.width / factor), Math.floor(image.height / factor)];
  const data = new Uint8Array(3 * width * height);
  let to = 0;
  for (let channel = 0; channel < 3; channel++) {
    const plane = image.data.subarray(channel * image.width * image.height);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) data[to++] = blockMean(plane, image.width, x * factor, y * factor, factor);
    }
  }
  return { picture: { width, height, channels: 3, data }, factor };
}

function blockMean(plane: Uint8Array, width: number, x: number, y: number, factor: number): number {
  let sum = 0;
  for (let row = y; row < y + factor; row++) {
    for (let column = x; column < x + factor; column++) sum += plane[row * width + column]!;
  }
  return sum / (factor * factor);
}

/** A box of an image and `margin` pixels around it, as far as the image goes. */
export function cropped(image: RgbImage, box: readonly number[], margin: number): RgbImage {
  const [left, top, right, bottom] = box as Box;
  const x0 = Math.max(0, Math.floor(left) - margin);
  const y0 = Math.max(0, Math.floor(top) - margin);
  const width = Math.min(image.width, Math.ceil(right) + margin) - x0;
  const height = Math.min(image.height, Math.ceil(bottom) + margin) - y0;
  const data = new Uint8Array(3 * width * height);
  for (let channel = 0, to = 0; channel < 3; channel++) {
    for (let y = 0; y < height; y++, to += width) {
      const from = (channel * image.height + y0 + y) * image.width + x0;
      data.set(image.data.subarray(from, from + width), to);
    }
  }
  return { width, height, channels: 3, data };
}

/** For an `<img>`. */
export const pngUrl = (png: Uint8Array): string => `data:image/png;base64,${Buffer.from(png).toString("base64")}`;

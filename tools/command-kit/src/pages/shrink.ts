import type { RgbImage } from "@villa/data";

/** An image made smaller by a whole factor, block means, until it is not much wider or higher than `side`. */
export function shrunk(image: RgbImage, side: number): { picture: RgbImage; factor: number } {
  const factor = Math.max(1, Math.round(Math.max(image.width, image.height) / side));
  if (factor === 1) return { picture: image, factor };
  const [width, height] = [
    Math.max(1, Math.floor(image.width / factor)),
    Math.max(1, Math.floor(image.height / factor)),
  ];
  const data = new Uint8Array(3 * width * height);
  let to = 0;
  for (let channel = 0; channel < 3; channel++) {
    const plane = image.data.subarray(channel * image.width * image.height, (channel + 1) * image.width * image.height);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) data[to++] = blockMean(plane, image, x * factor, y * factor, factor);
    }
  }
  return { picture: { width, height, channels: 3, data }, factor };
}

/** As much of the block as the image has: a narrow one may end within its only block. */
function blockMean(plane: Uint8Array, { width, height }: RgbImage, x: number, y: number, factor: number): number {
  const [right, bottom] = [Math.min(width, x + factor), Math.min(height, y + factor)];
  let sum = 0;
  for (let row = y; row < bottom; row++) {
    for (let column = x; column < right; column++) sum += plane[row * width + column]!;
  }
  return sum / ((right - x) * (bottom - y));
}

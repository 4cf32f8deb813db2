import { shrunk } from "@villa/command-kit";
import { type Box, decodeRle, encodeRle, type RgbImage, type Rle, resizeRle } from "@villa/data";
import { encodePng, renderSample } from "@villa/docmnist";

export { pngUrl } from "@villa/command-kit";

/**
 * A picture with boxes as a PNG about `side` pixels wide: small ones are enlarged, large ones averaged down.
 *
 * @param options `side`: the width; `masks`: of the boxes
 */
export function thumbnail(
  image: RgbImage,
  {
    boxes,
    side,
    masks,
  }: {
    readonly boxes: readonly (readonly number[])[];
    readonly side: number;
    readonly masks?: readonly (Rle | null)[] | undefined;
  },
): Uint8Array {
  const { picture, factor } = shrunk(image, side);
  const regions = boxes.map((box, i) => ({
    box: box.map((edge) => edge / factor) as unknown as Box,
    mask: masks?.[i] && resizeRle(masks[i], picture),
    attributes: [],
  }));
  const scale = Math.max(1, Math.min(8, Math.round(side / picture.width)));
  const sample = { width: picture.width, height: picture.height, image: picture.data, regions, text: "" };
  return encodePng(renderSample(sample, { scale, captions: false }));
}

interface Crop {
  readonly box: readonly number[];
  /** Pixels around the box. */
  readonly margin: number;
}

/** A box of an image and what is around it, as far as the image goes. */
export function cropped(image: RgbImage, crop: Crop): RgbImage {
  const { x0, y0, width, height } = cropOf(image, crop);
  const data = new Uint8Array(3 * width * height);
  for (let channel = 0, to = 0; channel < 3; channel++) {
    for (let y = 0; y < height; y++, to += width) {
      const from = (channel * image.height + y0 + y) * image.width + x0;
      data.set(image.data.subarray(from, from + width), to);
    }
  }
  return { width, height, channels: 3, data };
}

/** A mask as {@link cropped} cuts its image. */
export function croppedMask(mask: Rle, crop: Crop): Rle {
  const { x0, y0, width, height } = cropOf(mask, crop);
  const pixels = decodeRle(mask);
  const inside = Uint8Array.from(
    { length: width * height },
    (_, i) => pixels[(y0 + Math.floor(i / width)) * mask.width + x0 + (i % width)]!,
  );
  return encodeRle(inside, { width, height });
}

/**
 * A picture that is nearly white outside of its regions' masks: tinting what is inside would change the colours to be judged.
 *
 * @param inside [height × width] row by row, not 0 where colours are kept
 */
export function faded(image: RgbImage, inside: Uint8Array): RgbImage {
  const data = image.data.map((value, i) =>
    inside[i % inside.length] ? value : Math.round(0.25 * value + 0.75 * 255),
  );
  return { ...image, data };
}

/** The part of an image that {@link cropped} keeps, in whole pixels. */
export function cropOf(image: { readonly width: number; readonly height: number }, { box, margin }: Crop) {
  const [left, top, right, bottom] = box as Box;
  const x0 = Math.max(0, Math.floor(left) - margin);
  const y0 = Math.max(0, Math.floor(top) - margin);
  const width = Math.min(image.width, Math.ceil(right) + margin) - x0;
  const height = Math.min(image.height, Math.ceil(bottom) + margin) - y0;
  return { x0, y0, width, height };
}

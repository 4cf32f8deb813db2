import { type Box, checkArgument, decodeRle, encodeRle, type RandomState, type RgbImage, type Rle } from "@villa/data";

/** How pictures vary from step to step; settings of the same names are in `stage2Schema`. */
export interface AugmentOptions {
  /** Mirror every other picture. Default false. */
  readonly flip?: boolean | undefined;
  /** Move every edge of a box by up to this share of the box's side, in or out. Default 0. */
  readonly shift?: number | undefined;
  /** Change contrast by up to this share, and brightness by up to half of it (of the whole range). Default 0. */
  readonly light?: number | undefined;
}

/** A picture with its boxes and masks. */
export interface BoxedPicture {
  /** [3, height, width] bytes */
  readonly image: Omit<RgbImage, "channels">;
  readonly boxes: readonly Box[];
  /** Of each box, if there are any. */
  readonly masks?: readonly (Rle | null)[] | undefined;
}

/** Varies a picture; its boxes and masks follow. */
export type Augmentation = (picture: BoxedPicture) => BoxedPicture;

/**
 * A varied copy of pictures each time it is called, or undefined where nothing varies. Colours keep their hue, since
 * texts name them; boxes stay within their picture and keep an area.
 *
 * @param random drawn from in a fixed order, so that equal states give equal pictures
 */
export function augmentation(options: AugmentOptions, random: RandomState): Augmentation | undefined {
  checkArgument("options", options, { "flip?": "boolean", "shift?": "number", "light?": "number" });
  checkArgument("random", random, { randomSample: "function" });
  const { flip = false, shift = 0, light = 0 } = options;

  if (!flip && shift === 0 && light === 0) return undefined;
  const around = (reach: number) => reach * (2 * random.randomSample() - 1);
  return ({ image, boxes, masks }) => {
    const isMirrored = flip && random.randomSample() < 0.5;
    const contrast = light === 0 ? 1 : 1 + around(light);
    const brightness = light === 0 ? 0 : 255 * around(light / 2);
    const moved = boxes.map((box): Box => {
      const own = isMirrored ? mirroredBox(box, image.width) : box;
      return shift === 0 ? own : shiftedBox(own, image, () => around(shift));
    });
    const lit = light === 0 ? image.data : relit(image.data, contrast, brightness);
    return {
      image: { ...image, data: isMirrored ? mirrored(lit, image.width) : lit },
      boxes: moved,
      masks: isMirrored ? masks?.map((mask) => mask && mirroredMask(mask)) : masks,
    };
  };
}

const mirroredBox = ([x0, y0, x1, y1]: Box, width: number): Box => [width - x1, y0, width - x0, y1];

const mirroredMask = (mask: Rle): Rle => encodeRle(mirrored(decodeRle(mask), mask.width), mask);

function shiftedBox([x0, y0, x1, y1]: Box, { width, height }: BoxedPicture["image"], draw: () => number): Box {
  const [across, down] = [x1 - x0, y1 - y0];
  const moved: Box = [x0 + draw() * across, y0 + draw() * down, x1 + draw() * across, y1 + draw() * down];
  const within: Box = [
    Math.max(0, moved[0]),
    Math.max(0, moved[1]),
    Math.min(width, moved[2]),
    Math.min(height, moved[3]),
  ];
  return within[2] > within[0] && within[3] > within[1] ? within : [x0, y0, x1, y1];
}

/** Every row from right to left. */
function mirrored(data: Uint8Array, width: number): Uint8Array {
  const out = new Uint8Array(data.length);
  for (let row = 0; row < data.length; row += width) {
    for (let x = 0; x < width; x++) out[row + x] = data[row + width - 1 - x]!;
  }
  return out;
}

/** Values spread around the middle grey, then shifted. */
function relit(data: Uint8Array, contrast: number, brightness: number): Uint8Array {
  const table = Uint8ClampedArray.from({ length: 256 }, (_, value) => (value - 128) * contrast + 128 + brightness);
  return data.map((value) => table[value]!);
}

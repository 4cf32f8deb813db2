import * as tf from "@tensorflow/tfjs-core";
import { type ArgumentRule, type Box, checkArgument, type RgbImage, VillaError } from "@villa/data";
import { cropRegion } from "./crop-region.ts";
import { groupRegions, type ImageMasks, type RegionMask, type Regions, wholeImages } from "./group-regions.ts";
import { type Resample, resizeImage } from "./resize.ts";

/** Mean and deviation of each colour, of values 0 … 1. */
export interface PixelStatistics {
  readonly mean: readonly [number, number, number];
  readonly deviation: readonly [number, number, number];
}

/** How pictures become a tower's images. */
export interface PictureInput {
  /** Images that regions are cut from. */
  readonly regions: PixelStatistics & {
    /** Side of the square to which they are scaled; undefined: they keep their size. */
    readonly size?: number | undefined;
    /**
     * Side of the square to which each region is cut out of its picture, to be an image of its own: the tower then sees
     * crops in place of pictures. Undefined: regions are cut from the map of the whole image.
     */
    readonly cropSide?: number | undefined;
  };
  /** Images that are embedded as a whole, crops too: as the family's own preprocessing has it. */
  readonly whole: PixelStatistics & {
    /** Scaled so that the shorter side has this length, or to a width and height. */
    readonly resize: number | readonly [width: number, height: number];
    /** Then cut from the middle. */
    readonly crop?: readonly [width: number, height: number] | undefined;
    /**
     * How the middle is rounded when half a pixel is left over: `down` as transformers' processors round it (default),
     * `even` as torchvision.
     */
    readonly cropRounds?: "down" | "even" | undefined;
  };
  readonly resample: Resample;
  /** The smallest side that an image may have, in pixels. */
  readonly smallest: number;
}

type Picture = Omit<RgbImage, "channels">;

/** No mean and no deviation: values 0 … 1 as they are. */
export const plainPixels: PixelStatistics = { mean: [0, 0, 0], deviation: [1, 1, 1] };

/** Pictures at their own size, values 0 … 1. */
export const plainInput: PictureInput = {
  regions: plainPixels,
  whole: { ...plainPixels, resize: 224, crop: [224, 224] },
  resample: "bicubic",
  smallest: 16,
};

/** What a {@link PictureInput} has to be. */
export const pictureInputRule: ArgumentRule = {
  regions: { mean: "numbers", deviation: "numbers", "size?": "count", "cropSide?": "count" },
  whole: { mean: "numbers", deviation: "numbers", resize: "number | numbers", "crop?": "numbers" },
  resample: "'bilinear' | 'bicubic'",
  smallest: "number",
};

/**
 * Pictures and their boxes as a tower's {@link ImageTower.features} and `regionEmbeddings` take them.
 *
 * @param pictures `images`: of one size, unless the tower scales all to one; `boxes`: each picture's, in its own pixels;
 * `masks`: of the boxes, of the sizes of the pictures
 * @returns images [B, h, w, 3]; the caller disposes them. With `cropSide` each region is an image, [R, side, side, 3]
 * @throws VillaError `InvalidArgument` for a picture that is too small, `Mismatch` for pictures of different sizes
 */
export function regionInput(
  input: PictureInput,
  pictures: {
    readonly images: readonly Picture[];
    readonly boxes: readonly (readonly (Box | readonly number[])[])[];
    readonly masks?: ImageMasks | undefined;
  },
): { readonly images: tf.Tensor4D; readonly regions: Regions } {
  checkArgument("input", input, pictureInputRule);
  checkArgument("pictures", pictures, {
    images: [{ width: "count", height: "count", data: "bytes" }],
    boxes: [["numbers"]],
  });
  const { images, boxes, masks } = pictures;

  for (const image of images) checkPicture(image, input.smallest);
  const { size, cropSide } = input.regions;
  if (cropSide !== undefined) {
    const crops = cropTensor(input.regions, images, boxes, cropSide);
    return { images: crops, regions: wholeImages(crops) };
  }
  if (size === undefined) {
    const regions = groupRegions(boxes, images[0]?.width ?? 1);
    const own = masks && placedMasks(boxes, masks, () => [1, 1]);
    return { images: imageTensor(images, input.regions), regions: { ...regions, masks: own } };
  }
  const scaled = images.map((image) => resizeImage(image, { width: size, height: size, resample: input.resample }));
  const fitted = boxes.map((own, i) => {
    const [x, y] = [size / images[i]!.width, size / images[i]!.height];
    return own.map(([x0, y0, x1, y1]) => [x0! * x, y0! * y, x1! * x, y1! * y]);
  });
  const own = masks && placedMasks(boxes, masks, (i) => [size / images[i]!.width, size / images[i]!.height]);
  return { images: imageTensor(scaled, input.regions), regions: { ...groupRegions(fitted, size), masks: own } };
}

/** [R, side, side, 3] each region of each picture, cut out and scaled. */
function cropTensor(
  { mean, deviation }: PixelStatistics,
  images: readonly Picture[],
  boxes: readonly (readonly (Box | readonly number[])[])[],
  side: number,
): tf.Tensor4D {
  const count = boxes.reduce((sum, own) => sum + own.length, 0);
  const size = 3 * side * side;
  const values = new Float32Array(count * size);
  let region = 0;
  images.forEach((image, i) => {
    for (const box of boxes[i]!) {
      const crop = values.subarray(region * size, (region + 1) * size);
      cropRegion({ ...image, channels: 3 }, box as Box, { side, layout: "HWC", out: crop });
      for (let at = 0; at < size; at++) crop[at] = (crop[at]! - mean[at % 3]!) / deviation[at % 3]!;
      region++;
    }
  });
  return tf.tensor4d(values, [count, side, side, 3]);
}

function placedMasks(
  boxes: readonly (readonly unknown[])[],
  masks: ImageMasks,
  pixel: (image: number) => RegionMask["pixel"],
): (RegionMask | null)[] {
  return boxes.flatMap((own, i) =>
    own.map((_, region) => {
      const rle = masks[i]?.[region];
      return rle ? { rle, pixel: pixel(i) } : null;
    }),
  );
}

/**
 * Pictures as a tower's `imageEmbeddings` takes them: scaled, cut from the middle and normalised.
 *
 * @returns [B, h, w, 3]
 */
export function wholeInput(input: PictureInput, images: readonly Picture[]): tf.Tensor4D {
  checkArgument("input", input, pictureInputRule);
  checkArgument("images", images, [{ width: "count", height: "count", data: "bytes" }]);

  const { whole, resample } = input;
  const prepared = images.map((image) => {
    checkPicture(image, 1);
    const scaled = resizeImage(image, { ...targetSize(image, whole.resize), resample });
    return whole.crop ? centreCrop(scaled, whole.crop, whole.cropRounds) : scaled;
  });
  return imageTensor(prepared, whole);
}

/** [B, height, width, 3] of pictures of one size. @throws VillaError `Mismatch` for a picture of another size */
export function imageTensor(images: readonly Picture[], statistics: PixelStatistics = plainPixels): tf.Tensor4D {
  checkArgument("images", images, [{ width: "count", height: "count", data: "bytes" }]);
  checkArgument("statistics?", statistics, { mean: "numbers", deviation: "numbers" });
  const { mean, deviation } = statistics;

  if (!images[0]) throw new VillaError("InvalidArgument", "images must hold at least one picture.");
  const { width, height } = images[0];
  const area = width * height;
  const values = new Float32Array(images.length * area * 3);
  images.forEach(({ data, ...size }, image) => {
    if (size.width !== width || size.height !== height || data.length !== 3 * area) {
      throw new VillaError(
        "Mismatch",
        `Image ${image} of the batch is not of ${width} × ${height} pixels with 3 channels.`,
      );
    }
    const to = image * area * 3;
    for (let channel = 0; channel < 3; channel++) {
      const from = channel * area;
      const [shift, scale] = [mean[channel]!, deviation[channel]!];
      for (let pixel = 0; pixel < area; pixel++) {
        values[to + pixel * 3 + channel] = (data[from + pixel]! / 255 - shift) / scale;
      }
    }
  });
  return tf.tensor4d(values, [images.length, height, width, 3]);
}

function checkPicture({ width, height, data }: Picture, smallest: number): void {
  if (data.length !== 3 * width * height) {
    throw new VillaError(
      "InvalidArgument",
      `An image of ${width} × ${height} pixels needs ${3 * width * height} bytes, not ${data.length}.`,
    );
  }
  if (width >= smallest && height >= smallest) return;
  throw new VillaError(
    "InvalidArgument",
    `An image of ${width} × ${height} pixels is too small for this encoder: its sides must have at least ${smallest} pixels.`,
  );
}

function targetSize({ width, height }: Picture, resize: PictureInput["whole"]["resize"]) {
  if (typeof resize !== "number") return { width: resize[0], height: resize[1] };
  const long = Math.trunc((resize * Math.max(width, height)) / Math.min(width, height));
  return width <= height ? { width: resize, height: long } : { width: long, height: resize };
}

/** The middle of a picture; what lies outside of it is black. */
function centreCrop(
  { width, height, data }: Picture,
  [toWidth, toHeight]: readonly [number, number],
  rounds: PictureInput["whole"]["cropRounds"],
): Picture {
  const half = (rest: number) => (rounds === "even" && rest % 4 === 3 ? Math.ceil(rest / 2) : Math.floor(rest / 2));
  const [left, top] = [half(width - toWidth), half(height - toHeight)];
  const out = new Uint8Array(3 * toWidth * toHeight);
  const [from, to] = [Math.max(0, -left), Math.min(toWidth, width - left)];
  for (let plane = 0; plane < 3; plane++) {
    for (let y = 0; y < toHeight; y++) {
      if (y + top < 0 || y + top >= height) continue;
      const line = (plane * height + y + top) * width + left;
      for (let x = from; x < to; x++) out[(plane * toHeight + y) * toWidth + x] = data[line + x]!;
    }
  }
  return { width: toWidth, height: toHeight, data: out };
}

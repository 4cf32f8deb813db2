import { type Box, checkArgument, type RgbImage, type Rle, VillaError } from "@villa/data";

/** A region's mask, and how it lies on the images. */
export interface RegionMask {
  readonly rle: Rle;
  /** Width and height of one of its pixels in pixels of the image that the boxes refer to. */
  readonly pixel: readonly [width: number, height: number];
}

/** Masks of images' regions: `masks[i][j]` is that of region j of image i, null for one that is its box. */
export type ImageMasks = readonly (readonly (Rle | null)[] | undefined)[];

/** Regions of a batch of images. */
export interface Regions {
  /** [R × 4] boxes as x0, y0, x1, y1 in pixels of the image, row-major */
  readonly boxes: ArrayLike<number>;
  /** [R] which image of the batch a box belongs to. Group regions by image: other orders cost a permutation. */
  readonly imageIndex: ArrayLike<number>;
  /** Width in pixels of the images the boxes refer to: RoIAlign's scale is feature width / image width. */
  readonly imageWidth: number;
  /** [R] null for a region that is its box; absent where all are. Only means over masks look at them. */
  readonly masks?: readonly (RegionMask | null)[] | undefined;
}

/** Regions of image after image. `boxes[i]` are image i's. */
export function groupRegions(boxes: readonly (readonly (readonly number[])[])[], imageWidth: number): Regions {
  checkArgument("boxes", boxes, [["numbers"]]);
  checkArgument("imageWidth", imageWidth, "number");

  const flat = boxes.flat();
  const coordinates = new Float32Array(flat.length * 4);
  flat.forEach((box, region) => {
    coordinates.set(box, region * 4);
  });
  const imageIndex = Int32Array.from(boxes.flatMap((ofImage, image) => ofImage.map(() => image)));
  return { boxes: coordinates, imageIndex, imageWidth };
}

/** Each image of a batch as one region. @param images [B, height, width, 3] */
export function wholeImages({ shape: [count, height, width] }: { readonly shape: readonly number[] }): Regions {
  return groupRegions(
    Array.from({ length: count! }, () => [[0, 0, width!, height!]]),
    width!,
  );
}

/**
 * Checks sizes and image numbers of regions.
 *
 * @throws VillaError `InvalidArgument`
 */
export function checkRegions({ boxes, imageIndex, imageWidth, masks }: Regions, images: number): void {
  const fail = (message: string) => {
    throw new VillaError("InvalidArgument", message);
  };
  if (boxes.length !== imageIndex.length * 4) {
    fail(`${imageIndex.length} regions need ${imageIndex.length * 4} box coordinates, not ${boxes.length}.`);
  }
  if (masks && masks.length !== imageIndex.length)
    fail(`${imageIndex.length} regions came with ${masks.length} masks.`);
  if (!(imageWidth > 0)) fail(`imageWidth must be positive, not ${imageWidth}.`);
  for (let region = 0; region < imageIndex.length; region++) {
    const image = imageIndex[region]!;
    if (!(Number.isInteger(image) && image >= 0 && image < images)) {
      fail(`Region ${region} belongs to image ${image}, but the batch has ${images} images.`);
    }
    for (let side = 0; side < 4; side++) {
      if (!Number.isFinite(boxes[region * 4 + side])) fail(`Region ${region} has a box coordinate that is not finite.`);
    }
  }
}

/**
 * Checks that every image has its boxes, and that each of them has an area.
 *
 * @throws VillaError `InvalidArgument`
 */
export function checkBoxes(images: readonly RgbImage[], boxes: readonly (readonly Box[])[]): void {
  if (images.length !== boxes.length) {
    throw new VillaError(
      "InvalidArgument",
      `There are ${images.length} images, but lists of boxes for ${boxes.length}; give one list for each image.`,
    );
  }
  boxes.flat().forEach((box) => {
    if (box.length === 4 && box.every(Number.isFinite) && box[2] > box[0] && box[3] > box[1]) return;
    throw new VillaError(
      "InvalidArgument",
      `The box [${box.join(", ")}] must be x0, y0, x1, y1 with x0 below x1 and y0 below y1.`,
    );
  });
}

/**
 * Checks that masks are of the sizes of their images, one for each box or none at all.
 *
 * @throws VillaError `InvalidArgument`
 */
export function checkMasks(
  masks: ImageMasks | undefined,
  { images, boxes }: { readonly images: readonly RgbImage[]; readonly boxes: readonly (readonly Box[])[] },
): void {
  masks?.forEach((own, image) => {
    if (!own) return;
    const { width, height } = images[image] ?? {};
    if (own.length !== boxes[image]?.length) {
      throw new VillaError(
        "InvalidArgument",
        `Image ${image} has ${boxes[image]?.length} boxes but ${own.length} masks.`,
      );
    }
    const other = own.find((mask) => mask !== null && (mask.width !== width || mask.height !== height));
    if (!other) return;
    throw new VillaError(
      "InvalidArgument",
      `A mask of ${other.width} × ${other.height} pixels does not fit its image of ${width} × ${height}.`,
    );
  });
}

import * as tf from "@tensorflow/tfjs-core";
import { checkArgument, VillaError } from "@villa/data";
import { denseRoiProduct, separableRoiProduct } from "./roi-products.ts";

/** Settings of {@link roiAlign}; the defaults are those of ViLLA. */
export interface RoiAlignOptions {
  /** Side of the output grid. */
  readonly outputSize?: number | undefined;
  /** Feature pixels per image pixel: feature width / image width. */
  readonly spatialScale: number;
  /** Samples per bin and axis; 0 = adaptive, ceil(region size / output size). */
  readonly samplingRatio?: number | undefined;
  /** Half-pixel correction, torchvision's `aligned`. */
  readonly aligned?: boolean | undefined;
  /**
   * Averages bins pool × pool in the same product, as an average pool after the alignment would: the result's side is
   * outputSize / pool. Default 1.
   */
  readonly pool?: number | undefined;
}

/**
 * RoIAlign equal to torchvision's, from matrix products only, so that it runs and differentiates on every backend.
 * Regions may reach outside of the image.
 *
 * @param features [B, H, W, C] float32
 * @param boxes R boxes x0, y0, x1, y1 in image pixels, flat
 * @param imageIndex [R] which image of the batch each region lies in; any order, sorted is fastest
 * @returns [R, outputSize / pool, outputSize / pool, C]; no gradient flows to the boxes
 * @throws VillaError `Mismatch` when boxes and indices disagree or an index is outside of the batch
 * @see He et al., Mask R-CNN (2017), section 3
 */
export function roiAlign(
  features: tf.Tensor4D,
  boxes: ArrayLike<number>,
  imageIndex: ArrayLike<number>,
  options: RoiAlignOptions,
): tf.Tensor4D {
  checkArgument("features", features, "tensor4");
  const [batch, height, width] = features.shape;
  return prepareRoiAlign(boxes, imageIndex, [batch, height, width], options)(features);
}

/**
 * {@link roiAlign} whose matrices are made once, for several feature maps of one size.
 *
 * @param sizes [B, H, W] of the maps; their channels may differ
 * @throws VillaError as `roiAlign`; `InvalidArgument` when `pool` does not divide `outputSize`
 */
export function prepareRoiAlign(
  boxes: ArrayLike<number>,
  imageIndex: ArrayLike<number>,
  sizes: readonly [batch: number, height: number, width: number],
  options: RoiAlignOptions,
): (features: tf.Tensor4D) => tf.Tensor4D {
  checkArgument("boxes", boxes, "numbers");
  checkArgument("imageIndex", imageIndex, "numbers");
  checkArgument("sizes", sizes, "numbers");
  checkArgument("options", options, {
    "outputSize?": "count",
    spatialScale: "number",
    "samplingRatio?": "count",
    "aligned?": "boolean",
    "pool?": "number",
  });
  const [batch, height, width] = sizes;
  const { outputSize = 14, spatialScale, samplingRatio = 0, aligned = true, pool = 1 } = options;

  if (outputSize % pool !== 0) {
    throw new VillaError("InvalidArgument", `A pool of ${pool} does not divide roiAlign's ${outputSize} bins.`);
  }
  const { order, restore, counts } = groupByImage(boxes, imageIndex, batch);
  const side = outputSize / pool;
  if (order.length === 0) return ({ shape }) => tf.zeros([0, side, side, shape[3]]);

  const sortedBoxes = Array.from(order, (region) => [0, 1, 2, 3].map((edge) => boxes[region * 4 + edge]!));
  const geometry = { outputSize, spatialScale, samplingRatio, aligned, pool };
  // Both are exact. One Kronecker product costs out²·H·W multiply-adds a region and channel where two separable products
  // cost out·H·W + out²·H, but those transpose the maps in between: up to 16×16 maps the single product is faster.
  const prepare = height * width <= 256 ? denseRoiProduct : separableRoiProduct;
  const product = prepare(sortedBoxes, counts, [height, width], geometry);

  const align = tf.customGrad((input) => {
    const { shape } = input as tf.Tensor4D;
    return {
      value: tf.tidy(() => {
        const rows = tf.reshape(product.forward(input as tf.Tensor4D), [order.length, side, side, shape[3]]);
        return restore ? tf.gather(rows, tf.tensor1d(restore, "int32")) : rows;
      }),
      gradFunc: (dy: tf.Tensor) =>
        tf.tidy(() => {
          const rows = restore ? tf.gather(dy, tf.tensor1d(order, "int32")) : dy;
          return tf.reshape(product.backward(rows as tf.Tensor4D), shape);
        }),
    };
  });
  return (features) => align(features) as tf.Tensor4D;
}

/** Regions in image order: one large product per image is faster than a small one per region. */
interface ImageGroups {
  /** Sorted row -> region. */
  readonly order: Int32Array;
  /** Region -> sorted row; undefined when the regions come sorted already. */
  readonly restore: Int32Array | undefined;
  /** [B] number of regions of each image. */
  readonly counts: readonly number[];
}

function groupByImage(boxes: ArrayLike<number>, imageIndex: ArrayLike<number>, batch: number): ImageGroups {
  const regions = imageIndex.length;
  if (boxes.length !== regions * 4) {
    throw new VillaError("Mismatch", `roiAlign got ${boxes.length} box numbers for ${regions} regions; each needs 4.`);
  }
  const counts = new Array<number>(batch).fill(0);
  let sorted = true;
  for (let region = 0; region < regions; region++) {
    const image = imageIndex[region]!;
    if (!(Number.isInteger(image) && image >= 0 && image < batch)) {
      throw new VillaError("Mismatch", `roiAlign region ${region} names image ${image} of a batch of ${batch}.`);
    }
    counts[image]!++;
    if (region > 0 && image < imageIndex[region - 1]!) sorted = false;
  }
  const order = Int32Array.from({ length: regions }, (_, region) => region);
  if (sorted) return { order, restore: undefined, counts };
  order.sort((a, b) => imageIndex[a]! - imageIndex[b]! || a - b);
  const restore = new Int32Array(regions);
  order.forEach((region, row) => {
    restore[region] = row;
  });
  return { order, restore, counts };
}

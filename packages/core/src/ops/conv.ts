import * as tf from "@tensorflow/tfjs-core";
import { checkArgument } from "@villa/data";

/** Settings of {@link conv2d}. */
export interface Conv2dOptions {
  readonly stride?: number | undefined;
  /** Zeros added on every side, as torch's `padding`. */
  readonly padding?: number | undefined;
}

/**
 * 2-D convolution without bias, with torch's symmetric padding.
 *
 * @param x [B, H, W, I] float32
 * @param filter [kh, kw, I, O] (HWIO; a torch weight is OIHW)
 * @returns [B, ⌊(H + 2·padding - kh)/stride⌋ + 1, …, O]
 */
export function conv2d(x: tf.Tensor4D, filter: tf.Tensor4D | tf.Variable, options: Conv2dOptions = {}): tf.Tensor4D {
  checkArgument("x", x, "tensor4");
  checkArgument("filter", filter, "tensor");
  checkArgument("options?", options, { "stride?": "count", "padding?": "number" });
  const { stride = 1, padding = 0 } = options;

  const [kernelHeight, kernelWidth, inputs, outputs] = filter.shape as [number, number, number, number];
  const [batch, height, width] = x.shape;
  if (kernelHeight === 1 && kernelWidth === 1 && stride === 1 && padding === 0) {
    // A 1×1 convolution is a plain product, which every backend (and its gradient) does best.
    const rows = tf.reshape(x, [batch * height * width, inputs]); // [B, H, W, I] -> [BHW, I]
    const product = tf.matMul(rows, tf.reshape(filter, [inputs, outputs]) as tf.Tensor2D);
    return tf.reshape(product, [batch, height, width, outputs]);
  }
  return tf.conv2d(x, filter as tf.Tensor4D, stride, padding);
}

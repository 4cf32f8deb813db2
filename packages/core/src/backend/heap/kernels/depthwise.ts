import * as tf from "@tensorflow/tfjs-core";
import { convInfo, shiftedViews } from "../../convolution.ts";
import type { KernelCall, Override } from "./register.ts";

/**
 * Gradients of depthwise convolutions, composed of other operations: TF.js's cpu kernels give wrong values for dilated ones.
 * Operations called inside of a kernel are not recorded on the gradient tape.
 */
export function registerDepthwise(override: Override): void {
  override("DepthwiseConv2dNativeBackpropFilter", (call) => tf.tidy(() => filterGradient(call)));
  override("DepthwiseConv2dNativeBackpropInput", (call) => tf.tidy(() => inputGradient(call)));
}

/** dW[ky, kx] = the sum over all pixels of x, as that filter position sees it, times dy. */
function filterGradient({ inputs, attrs }: KernelCall): tf.Tensor {
  const x = inputs.x as tf.Tensor4D;
  const filterShape = attrs.filterShape as [number, number, number, number];
  const info = convInfo(x.shape, filterShape, attrs, true)!;
  const [, , channels, multiplier] = filterShape;
  const pixels = info.batchSize * info.outHeight * info.outWidth;
  const dy = tf.reshape(inputs.dy as tf.Tensor, [pixels, channels, multiplier]);
  const slices = shiftedViews(
    x,
    info,
    (seen) => tf.tidy(() => tf.sum(tf.mul(tf.reshape(seen, [pixels, channels, 1]), dy), 0)), // [C, M] for each filter position
  );
  return tf.reshape(tf.stack(slices), filterShape);
}

/** dx = the sum over filter positions of dy times their weights, each put where the position sees x. */
function inputGradient({ inputs, attrs }: KernelCall): tf.Tensor {
  const dy = inputs.dy as tf.Tensor4D;
  const filter = inputs.filter as tf.Tensor4D;
  const inputShape = attrs.inputShape as [number, number, number, number];
  const info = convInfo(inputShape, filter.shape, attrs, true)!;
  const [kernelHeight, kernelWidth, channels, multiplier] = filter.shape;
  const { padInfo, dilationHeight, dilationWidth } = info;
  const spread = spreadOut(dy, info.strideHeight, info.strideWidth);
  const [batch, height, width] = spread.shape;
  const perInput = tf.reshape(spread, [batch, height, width, channels, multiplier]);
  const fullHeight = info.inHeight + padInfo.top + padInfo.bottom;
  const fullWidth = info.inWidth + padInfo.left + padInfo.right;
  let total: tf.Tensor | undefined;
  for (let ky = 0; ky < kernelHeight; ky++) {
    for (let kx = 0; kx < kernelWidth; kx++) {
      const weight = tf.reshape(tf.slice(filter, [ky, kx, 0, 0], [1, 1, channels, multiplier]), [channels, multiplier]);
      const share = tf.sum(tf.mul(perInput, weight), -1); // [B, h, w, C]
      const top = ky * dilationHeight;
      const left = kx * dilationWidth;
      const placed = tf.pad(share, [[0, 0], [top, fullHeight - top - height], [left, fullWidth - left - width], [0, 0]]); // biome-ignore format: one line says it
      total = total ? tf.add(total, placed) : placed;
    }
  }
  return tf.slice(total!, [0, padInfo.top, padInfo.left, 0], inputShape);
}

/** Puts stride − 1 zeros between the pixels: [B, h, w, C] -> [B, (h−1)·s + 1, (w−1)·s + 1, C]. */
function spreadOut(x: tf.Tensor4D, strideHeight: number, strideWidth: number): tf.Tensor4D {
  if (strideHeight === 1 && strideWidth === 1) return x;
  const [batch, height, width, channels] = x.shape;
  const cells = tf.pad(tf.reshape(x, [batch * height, width, 1, channels]), [[0, 0], [0, 0], [0, strideWidth - 1], [0, 0]]); // biome-ignore format: one line says it
  const rows = tf.pad(tf.reshape(cells, [batch, height, 1, width * strideWidth * channels]), [[0, 0], [0, 0], [0, strideHeight - 1], [0, 0]]); // biome-ignore format: one line says it
  const grid = tf.reshape(rows, [batch, height * strideHeight, width * strideWidth, channels]) as tf.Tensor4D;
  return tf.slice(
    grid,
    [0, 0, 0, 0],
    [batch, (height - 1) * strideHeight + 1, (width - 1) * strideWidth + 1, channels],
  );
}

import * as tf from "@tensorflow/tfjs-core";
import { overrideWasm, type WasmCall } from "./override.ts";

type ConvInfo = tf.backend_util.Conv2DInfo;

/** Gradients of convolutions: one is missing from the wasm backend, the other runs a naive loop. */
export function repairConvolutions(): void {
  overrideWasm("Conv2DBackpropFilter", filterGradient);
  overrideWasm("Conv2DBackpropInput", inputGradient);
  overrideWasm("DepthwiseConv2dNativeBackpropFilter", depthwiseFilterGradient);
  overrideWasm("DepthwiseConv2dNativeBackpropInput", depthwiseInputGradient);
}

function convInfo(inputShape: number[], filterShape: number[], attrs: tf.NamedAttrMap, depthwise = false): ConvInfo {
  return tf.backend_util.computeConv2DInfo(
    inputShape as [number, number, number, number],
    filterShape as [number, number, number, number],
    attrs.strides as [number, number],
    (attrs.dilations as [number, number] | undefined) ?? 1,
    attrs.pad as number,
    attrs.dimRoundingMode as "floor" | undefined,
    depthwise,
  );
}

/** Calls `visit` for every filter position with x as that position sees it: [B, outH, outW, C]. */
function taps<T>(x: tf.Tensor4D, info: ConvInfo, visit: (seen: tf.Tensor4D) => T): T[] {
  const { padInfo, filterHeight, filterWidth, strideHeight, strideWidth, dilationHeight, dilationWidth } = info;
  const padded = tf.pad(x, [[0, 0], [padInfo.top, padInfo.bottom], [padInfo.left, padInfo.right], [0, 0]]); // biome-ignore format: one line says it
  const [batch, , , channels] = x.shape;
  const height = (info.outHeight - 1) * strideHeight + 1;
  const width = (info.outWidth - 1) * strideWidth + 1;
  const results: T[] = [];
  for (let ky = 0; ky < filterHeight; ky++) {
    for (let kx = 0; kx < filterWidth; kx++) {
      const begin = [0, ky * dilationHeight, kx * dilationWidth, 0];
      const end = [batch, begin[1]! + height, begin[2]! + width, channels];
      const dense = strideHeight === 1 && strideWidth === 1;
      const seen = dense
        ? tf.slice(padded, begin, [batch, height, width, channels])
        : tf.stridedSlice(padded, begin, end, [1, strideHeight, strideWidth, 1]);
      results.push(visit(seen as tf.Tensor4D));
    }
  }
  return results;
}

/** dW[ky, kx] = xᵀ·dy over all pixels, with x as the filter position sees it. */
function filterGradient({ inputs, attrs }: WasmCall): tf.Tensor {
  const x = inputs.x as tf.Tensor4D;
  const dy = inputs.dy as tf.Tensor4D;
  const filterShape = attrs.filterShape as number[];
  const info = convInfo(x.shape, filterShape, attrs);
  const pixels = info.batchSize * info.outHeight * info.outWidth;
  const dyRows = tf.reshape(dy, [pixels, info.outChannels]) as tf.Tensor2D;
  const slices = taps(x, info, (seen) =>
    tf.tidy(() => tf.matMul(tf.reshape(seen, [pixels, info.inChannels]) as tf.Tensor2D, dyRows, true)),
  );
  return tf.reshape(tf.stack(slices), filterShape);
}

/** A stride-1 convolution of dy, spread out by the stride, with the filter turned and its channels exchanged. */
function inputGradient(call: WasmCall): tf.Tensor {
  const dy = call.inputs.dy as tf.Tensor4D;
  const filter = call.inputs.filter as tf.Tensor4D;
  const inputShape = call.attrs.inputShape as number[];
  const info = convInfo(inputShape, filter.shape, call.attrs);
  const { filterHeight, filterWidth, padInfo } = info;
  const before = [filterHeight - 1 - padInfo.top, filterWidth - 1 - padInfo.left] as const;
  if (info.dilationHeight !== 1 || info.dilationWidth !== 1 || before[0] < 0 || before[1] < 0) return call.stock();
  const spread = spreadOut(dy, info.strideHeight, info.strideWidth);
  const turned = tf.transpose(tf.reverse(filter, [0, 1]), [0, 1, 3, 2]); // HWIO -> HWOI
  const [, height, width] = spread.shape;
  const below = info.inHeight + filterHeight - 1 - height - before[0];
  const right = info.inWidth + filterWidth - 1 - width - before[1];
  const padded = tf.pad(spread, [[0, 0], [before[0], below], [before[1], right], [0, 0]]); // biome-ignore format: one line says it
  return tf.conv2d(padded, turned as tf.Tensor4D, 1, "valid");
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

function depthwiseFilterGradient({ inputs, attrs }: WasmCall): tf.Tensor {
  const x = inputs.x as tf.Tensor4D;
  const filterShape = attrs.filterShape as [number, number, number, number];
  const info = convInfo(x.shape, filterShape, attrs, true);
  const [, , channels, multiplier] = filterShape;
  const pixels = info.batchSize * info.outHeight * info.outWidth;
  const dy = tf.reshape(inputs.dy!, [pixels, channels, multiplier]);
  const slices = taps(x, info, (seen) => tf.tidy(() => tf.sum(tf.mul(tf.reshape(seen, [pixels, channels, 1]), dy), 0))); // [C, M] for each filter position
  return tf.reshape(tf.stack(slices), filterShape);
}

function depthwiseInputGradient({ inputs, attrs }: WasmCall): tf.Tensor {
  const dy = inputs.dy as tf.Tensor4D;
  const filter = inputs.filter as tf.Tensor4D;
  const inputShape = attrs.inputShape as [number, number, number, number];
  const info = convInfo(inputShape, filter.shape, attrs, true);
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

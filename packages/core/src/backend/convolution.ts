import * as tf from "@tensorflow/tfjs-core";

export type ConvInfo = tf.backend_util.Conv2DInfo;

/** Sizes, strides and padding of a convolution kernel's call; undefined where its layout is not NHWC. */
export function convInfo(
  xShape: readonly number[],
  filterShape: readonly number[],
  attrs: tf.NamedAttrMap,
  depthwise = false,
): ConvInfo | undefined {
  if ((attrs.dataFormat ?? "NHWC") !== "NHWC") return undefined;
  return tf.backend_util.computeConv2DInfo(
    xShape as [number, number, number, number],
    filterShape as [number, number, number, number],
    attrs.strides as [number, number],
    (attrs.dilations as [number, number] | undefined) ?? 1,
    attrs.pad as number,
    attrs.dimRoundingMode as "floor" | undefined,
    depthwise,
  );
}

/** Calls `visit` for every filter position with x as that position sees it: [B, outH, outW, C]. */
export function shiftedViews<T>(x: tf.Tensor4D, info: ConvInfo, visit: (seen: tf.Tensor) => T): T[] {
  const { batchSize, inChannels, filterHeight, filterWidth, padInfo } = info;
  const { strideHeight, strideWidth, dilationHeight, dilationWidth } = info;
  const padded = tf.pad(x, [[0, 0], [padInfo.top, padInfo.bottom], [padInfo.left, padInfo.right], [0, 0]]); // biome-ignore format: one line says it
  const height = (info.outHeight - 1) * strideHeight + 1;
  const width = (info.outWidth - 1) * strideWidth + 1;
  const isDense = strideHeight === 1 && strideWidth === 1;
  const results: T[] = [];
  for (let ky = 0; ky < filterHeight; ky++) {
    for (let kx = 0; kx < filterWidth; kx++) {
      const begin = [0, ky * dilationHeight, kx * dilationWidth, 0];
      const end = [batchSize, begin[1]! + height, begin[2]! + width, inChannels];
      const seen = isDense
        ? tf.slice(padded, begin, [batchSize, height, width, inChannels])
        : tf.stridedSlice(padded, begin, end, [1, strideHeight, strideWidth, 1]);
      results.push(visit(seen));
    }
  }
  return results;
}

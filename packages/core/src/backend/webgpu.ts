import * as tf from "@tensorflow/tfjs-core";

const webgpu = "webgpu";
const kernelName = "Conv2DBackpropFilter";
/** With fewer channels of x TF.js's own kernel is faster: for 3 by far. */
const fewestChannels = 16;

/**
 * Makes TF.js's WebGPU backend compute a convolution's gradient of the filter as products of shifted views of x, whose
 * shaders share what they read, where its own reads x and dy from memory for every multiplication. On a software device it
 * took a half to a sixth of the time from 16 channels on. Call it once the backend's module is imported; does nothing the
 * second time.
 */
export function useWebGpuProducts(): void {
  const stock = tf.getKernel(kernelName, webgpu);
  if (!stock || replaced.has(stock)) return;
  const config: tf.KernelConfig = {
    ...stock,
    kernelFunc: (params) => {
      const { x, dy } = params.inputs as { readonly x: tf.Tensor4D; readonly dy: tf.Tensor4D };
      const info = convInfo(x, params.attrs ?? {});
      if (!info) return stock.kernelFunc(params);
      // Operations called inside of a kernel are not recorded on the gradient tape.
      return tf.tidy(() => filterGradient(x, dy, info));
    },
  };
  tf.unregisterKernel(kernelName, webgpu);
  tf.registerKernel(config);
  replaced.add(config);
}

const replaced = new WeakSet<tf.KernelConfig>();

/** Undefined where the stock kernel is to be taken. */
function convInfo(x: tf.Tensor4D, attrs: tf.NamedAttrMap): tf.backend_util.Conv2DInfo | undefined {
  const filterShape = attrs.filterShape as [number, number, number, number];
  if ((attrs.dataFormat ?? "NHWC") !== "NHWC" || filterShape[2] < fewestChannels) return undefined;
  return tf.backend_util.computeConv2DInfo(
    x.shape,
    filterShape,
    attrs.strides as [number, number],
    (attrs.dilations as [number, number] | undefined) ?? 1,
    attrs.pad as number,
    attrs.dimRoundingMode as "floor" | undefined,
  );
}

/** dW[ky, kx] = xᵀ·dy over all pixels, with x as the filter position sees it. */
function filterGradient(x: tf.Tensor4D, dy: tf.Tensor4D, info: tf.backend_util.Conv2DInfo): tf.Tensor {
  const { batchSize, inChannels, outChannels, filterHeight, filterWidth, padInfo } = info;
  const { strideHeight, strideWidth, dilationHeight, dilationWidth } = info;
  const pixels = batchSize * info.outHeight * info.outWidth;
  const rows = tf.reshape(dy, [pixels, outChannels]) as tf.Tensor2D;
  const padded = tf.pad(x, [[0, 0], [padInfo.top, padInfo.bottom], [padInfo.left, padInfo.right], [0, 0]]); // biome-ignore format: one line says it
  const height = (info.outHeight - 1) * strideHeight + 1;
  const width = (info.outWidth - 1) * strideWidth + 1;
  const slices: tf.Tensor[] = [];
  for (let ky = 0; ky < filterHeight; ky++) {
    for (let kx = 0; kx < filterWidth; kx++) {
      const begin = [0, ky * dilationHeight, kx * dilationWidth, 0];
      const end = [batchSize, begin[1]! + height, begin[2]! + width, inChannels];
      const isDense = strideHeight === 1 && strideWidth === 1;
      const seen = isDense
        ? tf.slice(padded, begin, [batchSize, height, width, inChannels])
        : tf.stridedSlice(padded, begin, end, [1, strideHeight, strideWidth, 1]);
      slices.push(tf.matMul(tf.reshape(seen, [pixels, inChannels]) as tf.Tensor2D, rows, true));
    }
  }
  return tf.reshape(tf.stack(slices), [filterHeight, filterWidth, inChannels, outChannels]);
}

import * as tf from "@tensorflow/tfjs-core";
import { type ConvInfo, convInfo, shiftedViews } from "../convolution.ts";

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
      const attrs = params.attrs ?? {};
      const info = convInfo(x.shape, attrs.filterShape as number[], attrs);
      if (!info || info.inChannels < fewestChannels) return stock.kernelFunc(params);
      // Operations called inside of a kernel are not recorded on the gradient tape.
      return tf.tidy(() => filterGradient(x, dy, info));
    },
  };
  tf.unregisterKernel(kernelName, webgpu);
  tf.registerKernel(config);
  replaced.add(config);
}

const replaced = new WeakSet<tf.KernelConfig>();

/** dW[ky, kx] = xᵀ·dy over all pixels, with x as the filter position sees it. */
function filterGradient(x: tf.Tensor4D, dy: tf.Tensor4D, info: ConvInfo): tf.Tensor {
  const { inChannels, outChannels } = info;
  const pixels = info.batchSize * info.outHeight * info.outWidth;
  const rows = tf.reshape(dy, [pixels, outChannels]) as tf.Tensor2D;
  const slices = shiftedViews(x, info, (seen) =>
    tf.matMul(tf.reshape(seen, [pixels, inChannels]) as tf.Tensor2D, rows, true),
  );
  return tf.reshape(tf.stack(slices), [info.filterHeight, info.filterWidth, inChannels, outChannels]);
}

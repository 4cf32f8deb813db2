import * as tf from "@tensorflow/tfjs-core";
import type { BackendCandidate } from "@villa/core";

/**
 * TF.js's own wasm backend. It cannot train a convolution by itself, because it has no gradient of a filter and no sums by
 * segment: these are filled in here, composed of its fast kernels.
 */
export function stockWasm(name: string): BackendCandidate {
  return {
    name,
    device: "cpu",
    probe: async () => ({ available: true, detail: "WebAssembly" }),
    activate: async () => {
      await import("@tensorflow/tfjs-backend-wasm");
      fillIn("Conv2DBackpropFilter", filterGradient);
      fillIn("UnsortedSegmentSum", segmentSum);
      await tf.setBackend("wasm");
      await tf.ready();
    },
  };
}

type Composed = (inputs: tf.NamedTensorMap, attrs: tf.NamedAttrMap) => tf.Tensor;

function fillIn(kernelName: string, compose: Composed): void {
  tf.registerKernel({
    kernelName,
    backendName: "wasm",
    kernelFunc: ({ inputs, attrs }) => tf.tidy(() => compose(inputs as tf.NamedTensorMap, attrs ?? {})),
  });
}

/** dW[ky, kx] = xᵀ·dy over all pixels, with x as the filter position sees it. */
function filterGradient({ x, dy }: tf.NamedTensorMap, attrs: tf.NamedAttrMap): tf.Tensor {
  const filterShape = attrs.filterShape as [number, number, number, number];
  const info = tf.backend_util.computeConv2DInfo(
    x!.shape as [number, number, number, number],
    filterShape,
    attrs.strides as [number, number],
    1,
    attrs.pad as number,
  );
  const { padInfo, strideHeight, strideWidth } = info;
  const pixels = info.batchSize * info.outHeight * info.outWidth;
  const rows = tf.reshape(dy!, [pixels, info.outChannels]) as tf.Tensor2D;
  const padded = tf.pad(x as tf.Tensor4D, [[0, 0], [padInfo.top, padInfo.bottom], [padInfo.left, padInfo.right], [0, 0]]); // biome-ignore format: one line says it
  const slices: tf.Tensor[] = [];
  for (let ky = 0; ky < info.filterHeight; ky++) {
    for (let kx = 0; kx < info.filterWidth; kx++) {
      const end = [
        info.batchSize,
        ky + (info.outHeight - 1) * strideHeight + 1,
        kx + (info.outWidth - 1) * strideWidth + 1,
        info.inChannels,
      ];
      const seen = tf.stridedSlice(padded, [0, ky, kx, 0], end, [1, strideHeight, strideWidth, 1]);
      slices.push(tf.matMul(tf.reshape(seen, [pixels, info.inChannels]) as tf.Tensor2D, rows, true));
    }
  }
  return tf.reshape(tf.stack(slices), filterShape);
}

/** Rows added up by segment, as a product with a one-hot matrix: [S, R]·[R, C]. */
function segmentSum({ x, segmentIds }: tf.NamedTensorMap, attrs: tf.NamedAttrMap): tf.Tensor {
  const count = segmentIds!.size;
  const hot = tf.cast(tf.oneHot(tf.reshape(segmentIds!, [count]), attrs.numSegments as number), "float32");
  const sums = tf.matMul(hot as tf.Tensor2D, tf.reshape(x!, [count, -1]) as tf.Tensor2D, true);
  return tf.reshape(sums, [attrs.numSegments as number, ...x!.shape.slice(segmentIds!.rank)]);
}

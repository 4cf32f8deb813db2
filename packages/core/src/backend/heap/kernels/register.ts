import * as tf from "@tensorflow/tfjs-core";
import { HeapFullError } from "../heap.ts";
import type { HeapBackend } from "../heap-backend.ts";
import { borrow, type Workspace } from "../workspace.ts";

/** What a kernel of a {@link HeapBackend} gets. */
export interface KernelCall<B extends HeapBackend = HeapBackend> {
  readonly backend: B;
  readonly inputs: tf.NamedTensorInfoMap;
  readonly attrs: tf.NamedAttrMap;
  readonly space: Workspace;
}

export type KernelResult = tf.TensorInfo | tf.TensorInfo[];

/** Computes the result, or returns undefined to leave this call (its types, layout or options) to the stock kernel. */
export type HeapKernel<B extends HeapBackend = HeapBackend> = (call: KernelCall<B>) => KernelResult | undefined;

/** Replaces TF.js's cpu kernel of this name; the stock one still serves what `kernel` declines and a full heap. */
export type Override<B extends HeapBackend = HeapBackend> = (kernelName: string, kernel: HeapKernel<B>) => void;

/** Replaces kernels of one backend. */
export function overridesOf<B extends HeapBackend = HeapBackend>(backendName: string): Override<B> {
  return (kernelName, kernel) => {
    const stock = tf.getKernel(kernelName, "cpu");
    if (tf.getKernel(kernelName, backendName)) tf.unregisterKernel(kernelName, backendName);
    tf.registerKernel({
      kernelName,
      backendName,
      kernelFunc: (params) => {
        const { inputs, attrs } = params;
        const backend = params.backend as B;
        const call = (space: Workspace) =>
          kernel({ backend, inputs: inputs as tf.NamedTensorInfoMap, attrs: attrs ?? {}, space });
        let result: KernelResult | undefined;
        try {
          result = borrow(backend, call);
        } catch (error) {
          if (!(error instanceof HeapFullError) || !stock) throw error;
        }
        if (result) return result;
        if (!stock) throw new Error(`The ${backendName} backend cannot run ${kernelName} on these inputs.`);
        return stock.kernelFunc(params);
      },
    });
  };
}

/** Wraps a kernel so that it sees only calls whose named inputs are non-empty float32 tensors. */
export function onFloats<B extends HeapBackend = HeapBackend>(
  names: readonly string[],
  kernel: HeapKernel<B>,
): HeapKernel<B> {
  return (call) => {
    for (const name of names) {
      const info = call.inputs[name] as tf.TensorInfo | undefined;
      if (info?.dtype !== "float32" || sizeOf(info) === 0) return undefined;
    }
    return kernel(call);
  };
}

export function sizeOf(info: tf.TensorInfo): number {
  return tf.util.sizeFromShape(info.shape);
}

export function input(inputs: tf.NamedTensorInfoMap, name: string): tf.TensorInfo {
  return inputs[name] as tf.TensorInfo;
}

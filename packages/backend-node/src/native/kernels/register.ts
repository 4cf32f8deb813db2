import * as tf from "@tensorflow/tfjs-core";
import type { NativeBackend } from "../backend.ts";
import { HeapFullError } from "../heap.ts";
import { borrow, type Workspace } from "../workspace.ts";

export const native = "native";

export interface KernelCall {
  readonly backend: NativeBackend;
  readonly inputs: tf.NamedTensorInfoMap;
  readonly attrs: tf.NamedAttrMap;
  readonly space: Workspace;
}

export type KernelResult = tf.TensorInfo | tf.TensorInfo[];

/** Computes the result, or returns undefined to leave this call (its types, layout or options) to the stock kernel. */
export type NativeKernel = (call: KernelCall) => KernelResult | undefined;

/** Replaces TF.js's cpu kernel of this name; the stock one still serves what `kernel` declines and a full heap. */
export function override(kernelName: string, kernel: NativeKernel): void {
  const stock = tf.getKernel(kernelName, "cpu");
  if (tf.getKernel(kernelName, native)) tf.unregisterKernel(kernelName, native);
  tf.registerKernel({
    kernelName,
    backendName: native,
    kernelFunc: (params) => {
      const { inputs, attrs } = params;
      const backend = params.backend as NativeBackend;
      const call = (space: Workspace) =>
        kernel({ backend, inputs: inputs as tf.NamedTensorInfoMap, attrs: attrs ?? {}, space });
      let result: KernelResult | undefined;
      try {
        result = borrow(backend, call);
      } catch (error) {
        if (!(error instanceof HeapFullError) || !stock) throw error;
      }
      if (result) return result;
      if (!stock) throw new Error(`The native backend cannot run ${kernelName} on these inputs.`);
      return stock.kernelFunc(params);
    },
  });
}

/** Wraps a kernel so that it sees only calls whose named inputs are non-empty float32 tensors. */
export function onFloats(names: readonly string[], kernel: NativeKernel): NativeKernel {
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

import * as tf from "@tensorflow/tfjs-core";

/** What a repaired kernel gets: its operands as tensors, its attributes, and TF.js's own kernel where there is one. */
export interface WasmCall {
  readonly inputs: Readonly<Record<string, tf.Tensor | undefined>>;
  readonly attrs: tf.NamedAttrMap;
  /** Runs the kernel being replaced. */
  stock(inputs?: Record<string, tf.Tensor | undefined>, attrs?: tf.NamedAttrMap): tf.Tensor;
}

export type WasmKernel = (call: WasmCall) => tf.Tensor;

const wasm = "wasm";

/**
 * Registers or replaces a kernel of the wasm backend by a composition of TF.js ops. Ops called inside of a kernel are not
 * recorded on the gradient tape.
 */
export function overrideWasm(kernelName: string, kernel: WasmKernel): void {
  const original = tf.getKernel(kernelName, wasm) as tf.KernelConfig | undefined;
  if (original) tf.unregisterKernel(kernelName, wasm);
  tf.registerKernel({
    kernelName,
    backendName: wasm,
    ...(original?.setupFunc ? { setupFunc: original.setupFunc } : {}),
    ...(original?.disposeFunc ? { disposeFunc: original.disposeFunc } : {}),
    kernelFunc: ({ inputs, attrs, backend }) => {
      const stock: WasmCall["stock"] = (otherInputs, otherAttrs) => {
        if (!original) throw new Error(`The wasm backend has no ${kernelName} of its own.`);
        const info = original.kernelFunc({
          inputs: (otherInputs ?? inputs) as tf.NamedTensorInfoMap,
          attrs: otherAttrs ?? attrs ?? {},
          backend,
        }) as tf.TensorInfo;
        return tf.engine().makeTensorFromTensorInfo(info);
      };
      const call = { inputs: inputs as Record<string, tf.Tensor | undefined>, attrs: attrs ?? {}, stock };
      return tf.tidy(() => kernel(call));
    },
  });
}

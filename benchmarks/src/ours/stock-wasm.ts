import * as tf from "@tensorflow/tfjs-core";
import { activateRepairedWasm, type BackendCandidate } from "@villa/core";

export const tfjsWasm = "tfjs-wasm";

/**
 * TF.js's wasm backend with every kernel it has of its own. It cannot train a convolution by itself, because it has no
 * gradient of a filter: what it lacks altogether stays as ours, composed of its kernels, which is in its favour.
 */
export function stockWasm(): BackendCandidate {
  return {
    name: tfjsWasm,
    device: "cpu",
    probe: async () => ({ available: true, detail: "WebAssembly" }),
    activate: async () => {
      await import("@tensorflow/tfjs-backend-wasm");
      const own = tf.getKernelsForBackend("wasm");
      await activateRepairedWasm();
      for (const kernel of own) {
        tf.unregisterKernel(kernel.kernelName, "wasm");
        tf.registerKernel(kernel);
      }
    },
  };
}

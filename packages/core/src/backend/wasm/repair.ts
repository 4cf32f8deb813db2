import * as tf from "@tensorflow/tfjs-core";
import { repairConvolutions } from "./conv.ts";
import { guardWasmHeap } from "./heap.ts";
import { repairMatMul } from "./matmul.ts";
import { addMissingKernels } from "./missing.ts";

let repaired = false;

/**
 * Makes TF.js's wasm backend fit for training: missing kernels, fast batched and transposed products, fast convolution
 * gradients, and a clear error when its memory is full. Import `@tensorflow/tfjs-backend-wasm` first; does nothing the
 * second time.
 */
export async function activateRepairedWasm(): Promise<void> {
  if (!repaired) {
    repairMatMul();
    repairConvolutions();
    addMissingKernels();
    repaired = true;
  }
  if (!(await tf.setBackend("wasm"))) throw new Error("the WebAssembly module did not start");
  await tf.ready();
  guardWasmHeap();
}

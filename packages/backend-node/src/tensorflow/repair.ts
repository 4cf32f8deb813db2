import * as tf from "@tensorflow/tfjs-core";
import { type NodeKernelBackend, type TensorFlowKernel, tensorFlowBackend } from "./backend.ts";
import { convolutionKernels } from "./conv.ts";
import { gatherKernel } from "./gather.ts";

let repaired = false;

/** Replaces the kernels of tfjs-node that refuse what the models need, or wait for the card without need. Does nothing the second time. */
export function repairTensorFlow(): void {
  if (repaired) return;
  repaired = true;
  for (const [name, kernel] of Object.entries(convolutionKernels)) override(name, kernel);
  override("GatherV2", gatherKernel);
}

function override(kernelName: string, kernel: TensorFlowKernel): void {
  const original = tf.getKernel(kernelName, tensorFlowBackend) as tf.KernelConfig | undefined;
  if (!original) return;
  tf.unregisterKernel(kernelName, tensorFlowBackend);
  tf.registerKernel({
    kernelName,
    backendName: tensorFlowBackend,
    kernelFunc: ({ inputs, attrs = {}, backend }) =>
      kernel({
        inputs,
        attrs,
        backend: backend as NodeKernelBackend,
        stock: () => original.kernelFunc({ inputs, attrs, backend }) as tf.TensorInfo,
      }),
  });
}

import * as tf from "@tensorflow/tfjs-core";
import type { TensorFlowKernel } from "./backend.ts";

/**
 * Rows by their indices. tfjs-node's kernel reads every index back to check it, and so waits for the card each time. Here
 * only indices that still lie in this process's memory are checked; for the others TensorFlow does it, which refuses a
 * wrong one on the CPU and, as TF.js's WebGPU backend, puts zeros for it on a card. A negative axis counts from the end,
 * which tfjs-node's kernel does not know.
 */
export const gatherKernel: TensorFlowKernel = ({ inputs, attrs, backend }) => {
  const x = inputs.x!;
  const indices = inputs.indices!;
  const batchDims = attrs.batchDims as number;
  const axis = tf.util.parseAxisParam(attrs.axis as number, x.shape)[0]!;
  tf.backend_util.segment_util.collectGatherOpShapeInfo(x as tf.Tensor, indices as tf.Tensor, axis, batchDims);
  const size = x.shape[axis]!;
  const inMemory = backend.tensorMap.get(indices.dataId)?.values ?? [];
  for (let i = 0; i < inMemory.length; i++) {
    const index = inMemory[i]!;
    tf.util.assert(index >= 0 && index < size, () => `GatherV2: the index ${index} is not in 0 … ${size - 1}.`);
  }

  const { binding } = backend;
  const along = tf.scalar(axis, "int32");
  const result = backend.executeSingleOutput(
    "GatherV2",
    [
      { name: "batch_dims", type: binding.TF_ATTR_INT, value: batchDims },
      { name: "Tparams", type: binding.TF_ATTR_TYPE, value: backend.typeAttributeFromTensor(x) },
      { name: "Tindices", type: binding.TF_ATTR_TYPE, value: backend.typeAttributeFromTensor(indices) },
      { name: "Taxis", type: binding.TF_ATTR_TYPE, value: backend.typeAttributeFromTensor(along) },
    ],
    [x, indices, along],
  );
  along.dispose();
  return result;
};

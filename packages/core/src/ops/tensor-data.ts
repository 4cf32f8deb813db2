import * as tf from "@tensorflow/tfjs-core";
import { checkArgument, type TensorData, toFloat32 } from "@villa/data";

/**
 * Copies a tensor's values off the backend, row-major. float32, int32 and bool tensors of any shape keep shape and
 * type.
 */
export async function readTensor(tensor: tf.Tensor): Promise<TensorData> {
  checkArgument("tensor", tensor, "tensor");

  const values = (await tensor.data()) as Float32Array | Int32Array | Uint8Array;
  const dtype = tensor.dtype as "float32" | "int32" | "bool";
  return { dtype, shape: [...tensor.shape], data: values.slice() }; // a backend may hand out its own memory
}

/**
 * A tensor with a file's values, of its shape: int32 stays int32, every other type becomes float32. The caller disposes
 * it.
 */
export function toTensor(data: TensorData): tf.Tensor {
  checkArgument("data", data, { dtype: "text", shape: "numbers", data: "numbers" });

  if (data.dtype === "int32") return tf.tensor(data.data as Int32Array, data.shape, "int32");
  return tf.tensor(toFloat32(data).slice(), data.shape, "float32"); // TF.js may keep the array it is given
}

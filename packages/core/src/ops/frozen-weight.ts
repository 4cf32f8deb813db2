import * as tf from "@tensorflow/tfjs-core";
import { checkArgument, VillaError } from "@villa/data";
import { hasFused, runFused } from "../backend/fused.ts";

/** How weights that are not trained lie in the backend's memory. */
export type WeightStorage = "float32" | "float16";

/**
 * Puts a weight that will not be trained on the current backend.
 *
 * With `float16` matrices and filters are rounded to halves, two of which take the room of one value; products still sum
 * in float32. Each is off by at most 1/2048 of itself, or 2⁻²⁸ of the tensor's largest value. Vectors stay float32: they
 * are small, and enter sums. To TensorFlow.js either is a float32 tensor, whose bytes `tf.memory().numBytes` counts as such;
 * `numBytesInGPU` tells them apart.
 *
 * @param values row-major, finite; some backends keep the array, so it must not change afterwards
 * @throws VillaError `Unsupported` for `float16` on a backend that has no such storage, `InvalidArgument` for a shape of
 *   another size
 */
export function frozenWeight(
  values: Float32Array,
  shape: readonly number[],
  storage: WeightStorage = "float32",
): tf.Tensor {
  checkArgument("values", values, "numbers");
  checkArgument("shape", shape, "numbers");
  checkArgument("storage?", storage, "'float32' | 'float16'");

  const size = shape.reduce((product, side) => product * side, 1);
  if (size !== values.length || !shape.every((side) => Number.isInteger(side) && side >= 0)) {
    throw new VillaError("InvalidArgument", `A weight of shape [${shape}] has not ${values.length} values.`);
  }
  if (storage === "float16") requireHalves();
  const plain = tf.tensor(values, [...shape]);
  if (storage === "float32" || shape.length < 2 || size === 0) return plain;
  const [halves] = runFused("VillaHalves", { x: plain })!;
  plain.dispose();
  return halves!;
}

/** @throws VillaError `Unsupported` where the current backend stores no float16 */
export function requireHalves(): void {
  if (hasFused("VillaHalves")) return;
  throw new VillaError(
    "Unsupported",
    `Weights are stored as float16 on the backend webgpu alone, not on ${tf.getBackend()}; leave storage at float32, or use webgpu.`,
  );
}

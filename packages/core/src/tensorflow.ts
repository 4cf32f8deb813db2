/**
 * Imported for its types alone: tensors of the packages become TensorFlow.js's own, whose types need `skipLibCheck`.
 *
 * @example
 * import type {} from "@villa/core/tensorflow";
 *
 * @module
 */
import type * as tf from "@tensorflow/tfjs-core";

declare global {
  interface VillaTensorTypes {
    readonly Tensor: tf.Tensor;
    readonly Scalar: tf.Scalar;
    readonly Tensor1D: tf.Tensor1D;
    readonly Tensor2D: tf.Tensor2D;
    readonly Tensor3D: tf.Tensor3D;
    readonly Tensor4D: tf.Tensor4D;
    readonly Variable: tf.Variable;
  }
}

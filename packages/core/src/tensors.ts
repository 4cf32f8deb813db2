/**
 * Tensors as the packages' types name them, without TensorFlow.js's own types, which need `skipLibCheck`.
 *
 * @example
 * import type { Tensor2D } from "@villa/core/tensors";
 *
 * const shapeOf = (embeddings: Tensor2D) => embeddings.shape; // [rows, dimension]
 *
 * @module
 */
export type {
  PlainTensor,
  PlainVariable,
  Scalar,
  Tensor,
  Tensor1D,
  Tensor2D,
  Tensor3D,
  Tensor4D,
  Variable,
} from "./tensor-types.ts";

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

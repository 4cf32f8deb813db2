// The built packages' types name these instead of TensorFlow.js's (scripts/shield-types.mjs): its declarations, and the
// WebGPU ones that they pull in, do not compile beside the DOM types of TypeScript 6 and 7 without `skipLibCheck`.
// Whoever works with TensorFlow.js itself writes `import type {} from "@villa/core/tensorflow"` once, and they become its own classes.

declare global {
  /** TensorFlow.js's classes by name, where `@villa/core/tensorflow` has been imported. */
  interface VillaTensorTypes {}
}

/** What a tensor has in every version of TensorFlow.js, as far as results are read by it. */
export interface PlainTensor<Shape extends readonly number[] = number[]> {
  readonly id: number;
  readonly shape: Shape;
  readonly size: number;
  readonly dtype: "float32" | "int32" | "bool" | "complex64" | "string";
  readonly isDisposed: boolean;
  /** The values in row-major order, when the backend has them. */
  data(): Promise<Float32Array | Int32Array | Uint8Array>;
  dataSync(): Float32Array | Int32Array | Uint8Array;
  dispose(): void;
}

/** A tensor that training changes. */
export interface PlainVariable extends PlainTensor {
  readonly name: string;
  readonly trainable: boolean;
}

type Known<Name extends string, Plain> = VillaTensorTypes extends Readonly<Record<Name, infer Own>> ? Own : Plain;

/** TensorFlow.js's `Tensor`. */
export type Tensor = Known<"Tensor", PlainTensor>;
/** TensorFlow.js's `Scalar`. */
export type Scalar = Known<"Scalar", PlainTensor>;
/** TensorFlow.js's `Tensor1D`. */
export type Tensor1D = Known<"Tensor1D", PlainTensor<[number]>>;
/** TensorFlow.js's `Tensor2D`. */
export type Tensor2D = Known<"Tensor2D", PlainTensor<[number, number]>>;
/** TensorFlow.js's `Tensor3D`. */
export type Tensor3D = Known<"Tensor3D", PlainTensor<[number, number, number]>>;
/** TensorFlow.js's `Tensor4D`. */
export type Tensor4D = Known<"Tensor4D", PlainTensor<[number, number, number, number]>>;
/** TensorFlow.js's `Variable`. */
export type Variable = Known<"Variable", PlainVariable>;

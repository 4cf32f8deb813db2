/** A float32 operand: values in row-major order and their shape. */
export interface Operand {
  readonly data: Float32Array;
  readonly dims: readonly number[];
}

/** Room in the heap for as long as one kernel runs: what a `Workspace` is to products. Addresses are bytes. */
export interface Scratch {
  /** Address of n 32-bit values, contents undefined. @throws HeapFullError */
  scratch(n: number): number;
  /** n values, contents undefined: in scratch space or, when the heap is full, an ordinary array. */
  temporary(n: number): Float32Array;
  /** A view on scratch space. */
  view(offset: number, n: number): Float32Array;
  /** Address of int32 values. @throws HeapFullError */
  parameters(...values: number[]): number;
  /** Address of these values: their own in the heap, else of a copy. @throws HeapFullError */
  stage(values: Float32Array): number;
  inHeap(values: Float32Array): boolean;
}

/** Which operands of a product are read transposed. */
export interface Transposes {
  readonly transposeA?: boolean | undefined;
  readonly transposeB?: boolean | undefined;
}

/** What multiplies the matrices of a heap backend: everything else is written once, in the vector kernels. */
export interface ProductEngine {
  /**
   * y = act(op(a)·op(b) + c): a [M, K] (or [K, M] transposed), b [K, N] (or [N, K]), y [M, N]. c [N] is added to every
   * row, or is y itself: the product is then added to what y holds. `relu`: act is max(·, 0), else the identity.
   */
  multiply(
    space: Scratch,
    operands: { readonly a: Operand; readonly b: Operand; readonly c?: Operand | undefined; readonly y: Operand },
    options: Transposes & { readonly relu?: boolean | undefined },
  ): void;
  /** y[i] = op(a[i])·op(b[i]): a [B, M, K], b [B, K, N], y [B, M, N]; a or b may have one matrix for all, B = 1. */
  multiplyBatch(
    space: Scratch,
    operands: { readonly a: Operand; readonly b: Operand; readonly y: Operand },
    options: Transposes,
  ): void;
}

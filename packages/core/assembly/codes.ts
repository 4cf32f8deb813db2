// Op codes of the kernels that serve several operations. Members are TF.js's kernel names, and the build hands the codes to
// src/backend/heap/simd-module.ts: a new operation is a member here and its case in math.ts or elementwise.ts.

/** Lane-wise operations of two operands. */
export enum BinaryOp {
  Add,
  Sub,
  Multiply,
  RealDiv,
  Maximum,
  Minimum,
  SquaredDifference,
}

/** Lane-wise operations of one operand that need no parameter. */
export enum UnaryOp {
  Relu,
  Neg,
  Abs,
  Square,
  Sqrt,
  Rsqrt,
  Exp,
  Sigmoid,
  Reciprocal,
}

/** Lane-wise operations of one operand with parameters p and q (bounds, slopes). Their codes go on where UnaryOp ends. */
export enum ParametricOp {
  ClipByValue = 9,
  Step,
  LeakyRelu,
  Copy,
}

/** Comparisons, with a byte as result. */
export enum CompareOp {
  Equal,
  NotEqual,
  Greater,
  GreaterEqual,
  Less,
  LessEqual,
}

/** The forms of GELU, by their names in checkpoints. */
export enum GeluKind {
  gelu,
  gelu_tanh,
  quick_gelu,
}

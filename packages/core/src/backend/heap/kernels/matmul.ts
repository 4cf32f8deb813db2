import * as tf from "@tensorflow/tfjs-core";
import { binaryOp, unaryOp } from "../simd-module.ts";
import { input, type KernelCall, type Override, sizeOf } from "./register.ts";

export function registerMatMul(override: Override): void {
  override("BatchMatMul", (call) => matMul(call));
  override("_FusedMatMul", (call) => {
    const activation = call.attrs.activation as string | null | undefined;
    const relu = activation === "relu";
    if (activation && activation !== "linear" && !relu) return undefined;
    return matMul(call, relu);
  });
}

function matMul({ backend, inputs, attrs, space }: KernelCall, relu = false): tf.TensorInfo | undefined {
  const a = input(inputs, "a");
  const b = input(inputs, "b");
  const bias = inputs.bias as tf.TensorInfo | undefined;
  if (a.dtype !== "float32" || b.dtype !== "float32" || (bias && bias.dtype !== "float32")) return undefined;
  const transposeA = Boolean(attrs.transposeA);
  const transposeB = Boolean(attrs.transposeB);
  const [aRows, aColumns] = a.shape.slice(-2) as [number, number];
  const [bRows, bColumns] = b.shape.slice(-2) as [number, number];
  const [m, k] = transposeA ? [aColumns, aRows] : [aRows, aColumns];
  const [kOther, n] = transposeB ? [bColumns, bRows] : [bRows, bColumns];
  if (k !== kOther) throw new Error(`matMul: inner sizes ${k} and ${kOther} differ ([${a.shape}] · [${b.shape}]).`);
  const batch = tf.broadcast_util.assertAndGetBroadcastShape(a.shape.slice(0, -2), b.shape.slice(0, -2));
  const shape = [...batch, m, n];
  if (tf.util.sizeFromShape(shape) === 0 || k === 0) return undefined;
  if (bias && sizeOf(bias) !== n) return undefined;

  const values = space.floats(tf.util.sizeFromShape(shape));
  const aData = backend.valuesOf(a) as Float32Array;
  const bData = backend.valuesOf(b) as Float32Array;
  const aBatch = sizeOf(a) / (m * k);
  const bBatch = sizeOf(b) / (k * n);
  const options = { transposeA, transposeB };
  if (bBatch === 1 && (aBatch === 1 || !transposeA)) {
    // One right operand for the whole batch: the batch is just more rows.
    const rows = aBatch * m;
    const aDims = transposeA ? [k, m] : [rows, k];
    const c = bias ? { data: backend.valuesOf(bias) as Float32Array, dims: [n] } : undefined;
    const bOperand = { data: bData, dims: transposeB ? [n, k] : [k, n] };
    const y = { data: values, dims: [rows, n] };
    backend.products.multiply(space, { a: { data: aData, dims: aDims }, b: bOperand, c, y }, { ...options, relu });
    return backend.tensor(shape, values);
  }
  if (aBatch !== 1 && bBatch !== 1 && aBatch !== bBatch) return undefined;
  const size = tf.util.sizeFromShape(batch);
  const operands = {
    a: { data: aData, dims: [aBatch, aRows, aColumns] },
    b: { data: bData, dims: [bBatch, bRows, bColumns] },
    y: { data: values, dims: [size, m, n] },
  };
  backend.products.multiplyBatch(space, operands, options);
  const y = backend.tensor(shape, values);
  if (bias || relu) finishBatched(space, y, bias, size * m, n, relu);
  return y;
}

/** Bias and ReLU of a batched product, in place. */
function finishBatched(
  space: KernelCall["space"],
  y: tf.TensorInfo,
  bias: tf.TensorInfo | undefined,
  rows: number,
  n: number,
  relu: boolean,
): void {
  const at = space.pointer(y);
  if (bias) space.simd.binary(binaryOp.Add, at, at, space.pointer(bias), 1, rows, n, 0, n, 1, 0, 0, 1);
  if (relu) space.simd.unary(unaryOp.Relu, at, at, rows * n, 0, 0);
  const values = space.backend.valuesOf(y);
  if (values.byteOffset !== at || !space.backend.inHeap(values)) values.set(space.view(at, rows * n));
}

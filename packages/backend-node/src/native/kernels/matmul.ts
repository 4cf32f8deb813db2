import * as tf from "@tensorflow/tfjs-core";
import type { NativeBackend } from "../backend.ts";
import type { OnnxGraph, Operand } from "../onnx/runtime.ts";
import { binaryOp, unaryOp } from "../simd-module.ts";
import { input, type KernelCall, override, sizeOf } from "./register.ts";

export interface GemmOptions {
  readonly transposeA?: boolean | undefined;
  readonly transposeB?: boolean | undefined;
  readonly relu?: boolean | undefined;
}

export function registerMatMul(): void {
  override("BatchMatMul", (call) => matMul(call));
  override("_FusedMatMul", (call) => {
    const activation = call.attrs.activation as string | null | undefined;
    const relu = activation === "relu";
    if (activation && activation !== "linear" && !relu) return undefined;
    return matMul(call, relu);
  });
}

/**
 * y = act(op(a)·op(b) + c) in ONNX Runtime. a [M, K] (or [K, M] transposed), b [K, N] (or [N, K]), y [M, N]. c broadcasts
 * over rows, or is y itself: the product is then added to what y holds.
 */
export function gemm(
  backend: NativeBackend,
  a: Operand,
  b: Operand,
  y: Operand,
  options: GemmOptions,
  c?: Operand,
): void {
  const { transposeA = false, transposeB = false, relu = false } = options;
  const key = `gemm${transposeA ? "T" : "N"}${transposeB ? "T" : "N"}${c ? c.dims.length : ""}${relu ? "r" : ""}`;
  backend.onnx.run(key, () => gemmGraph(transposeA, transposeB, relu, c?.dims.length), c ? [a, b, c] : [a, b], y);
}

function gemmGraph(transposeA: boolean, transposeB: boolean, relu: boolean, biasRank: number | undefined): OnnxGraph {
  const product = relu ? "product" : "y";
  const bias = biasRank === undefined ? [] : ["c"];
  const gemmNode = {
    operator: "Gemm",
    inputs: ["a", "b", ...bias],
    outputs: [product],
    attributes: { transA: Number(transposeA), transB: Number(transposeB) },
  };
  const nodes = relu ? [gemmNode, { operator: "Relu", inputs: [product], outputs: ["y"] }] : [gemmNode];
  return { nodes, inputRanks: biasRank === undefined ? [2, 2] : [2, 2, biasRank], outputRank: 2 };
}

/** Batches of products; ONNX Runtime's own FusedMatMul takes transposed operands without moving them. */
function batchedGraph(transposeA: boolean, transposeB: boolean): OnnxGraph {
  const attributes = { transA: Number(transposeA), transB: Number(transposeB) };
  const node = { operator: "FusedMatMul", domain: "com.microsoft", inputs: ["a", "b"], outputs: ["y"], attributes };
  return { nodes: [node], inputRanks: [3, 3], outputRank: 3 };
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
    gemm(backend, { data: aData, dims: aDims }, bOperand, { data: values, dims: [rows, n] }, { ...options, relu }, c);
    return backend.tensor(shape, values);
  }
  if (aBatch !== 1 && bBatch !== 1 && aBatch !== bBatch) return undefined;
  const size = tf.util.sizeFromShape(batch);
  backend.onnx.run(
    `batched${Number(transposeA)}${Number(transposeB)}`,
    () => batchedGraph(transposeA, transposeB),
    [
      { data: aData, dims: [aBatch, aRows, aColumns] },
      { data: bData, dims: [bBatch, bRows, bColumns] },
    ],
    { data: values, dims: [size, m, n] },
  );
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

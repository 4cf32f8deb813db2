import * as tf from "@tensorflow/tfjs-core";
import { overrideWasm, type WasmCall } from "./override.ts";

/** Multiply-adds of one product below which TF.js's naive loop beats the overhead of taking the batch apart. */
const worthSplitting = 1 << 15;

/**
 * The stock kernel hands only plain, unbatched products to XNNPACK; batched or transposed ones run a naive loop at 0.4 to
 * 2 GFLOP/s. Transposing first and multiplying entry by entry brings every product to the plain one's speed.
 */
export function repairMatMul(): void {
  overrideWasm("BatchMatMul", (call) => {
    const { transposeA, transposeB } = call.attrs;
    return product(call, Boolean(transposeA), Boolean(transposeB));
  });
  overrideWasm("_FusedMatMul", fusedMatMul);
}

function product(call: WasmCall, transposeA: boolean, transposeB: boolean): tf.Tensor {
  const a = call.inputs.a!;
  const b = call.inputs.b!;
  const [rows, inner] = transposeA ? lastTwo(a).reverse() : lastTwo(a);
  const columns = transposeB ? lastTwo(b)[0]! : lastTwo(b)[1]!;
  const aBatch = a.shape.slice(0, -2);
  const bBatch = b.shape.slice(0, -2);
  const batch = tf.broadcast_util.assertAndGetBroadcastShape(aBatch, bBatch);
  const size = tf.util.sizeFromShape(batch);
  const plain = !transposeA && !transposeB && size === 1;
  if (plain || size === 0 || rows! * inner! * columns < worthSplitting) return call.stock();

  const left = transposeA ? swapLast(a) : a; // [..., M, K]
  const right = transposeB ? swapLast(b) : b; // [..., K, N]
  const multiply = (x: tf.Tensor, y: tf.Tensor) => {
    const attrs = { transposeA: false, transposeB: false };
    return tf.reshape(call.stock({ a: x, b: y }, attrs), [x.shape[1]!, columns]);
  };
  if (tf.util.sizeFromShape(bBatch) === 1) {
    // One right operand for all: the batch is just more rows.
    const all = multiply(tf.reshape(left, [1, -1, inner!]), tf.reshape(right, [1, inner!, columns]));
    return tf.reshape(all, [...batch, rows!, columns]);
  }
  const lefts = entries(left, batch, [rows!, inner!]);
  const rights = entries(right, batch, [inner!, columns]);
  const products = lefts.map((x, i) => multiply(x, rights[i]!)); // one [M, N] for each batch entry
  return tf.reshape(tf.stack(products), [...batch, rows!, columns]);
}

/** The matrices of a batch, each [1, rows, columns]. */
function entries(x: tf.Tensor, batch: number[], matrix: [number, number]): tf.Tensor[] {
  const size = tf.util.sizeFromShape(batch);
  const own = x.shape.slice(0, -2);
  const full = tf.util.arraysEqual(own, batch) ? x : tf.broadcastTo(x, [...batch, ...matrix]);
  return tf.split(tf.reshape(full, [size, ...matrix]), size);
}

function fusedMatMul(call: WasmCall): tf.Tensor {
  const { transposeA, transposeB, activation } = call.attrs;
  const { a, b, bias } = call.inputs;
  const size = Math.max(tf.util.sizeFromShape(a!.shape.slice(0, -2)), tf.util.sizeFromShape(b!.shape.slice(0, -2)));
  const simple = !activation || activation === "linear" || activation === "relu";
  if (!simple || (!transposeA && !transposeB && size === 1)) return call.stock();
  const y = tf.matMul(a!, b!, Boolean(transposeA), Boolean(transposeB));
  const biased = bias ? tf.add(y, bias) : y;
  return activation === "relu" ? tf.relu(biased) : biased;
}

function lastTwo(x: tf.Tensor): number[] {
  return x.shape.slice(-2);
}

function swapLast(x: tf.Tensor): tf.Tensor {
  const axes = x.shape.map((_, axis) => axis);
  return tf.transpose(x, [...axes.slice(0, -2), x.rank - 1, x.rank - 2]);
}

import * as tf from "@tensorflow/tfjs-core";
import { broadcastPlan } from "../broadcast.ts";
import { compareOp } from "../simd-module.ts";
import { input, type KernelCall, type Override, onFloats } from "./register.ts";

export function registerComparisons(override: Override): void {
  for (const [name, code] of Object.entries(compareOp)) {
    override(
      name,
      onFloats(["a", "b"], (call) => compare(call, code)),
    );
  }
  override("Cast", cast);
}

function compare({ backend, inputs, space }: KernelCall, code: number): tf.TensorInfo {
  const a = input(inputs, "a");
  const b = input(inputs, "b");
  const shape = tf.backend_util.assertAndGetBroadcastShape(a.shape, b.shape);
  const size = tf.util.sizeFromShape(shape);
  const y = space.scratch(Math.ceil(size / 4));
  const aAt = space.pointer(a);
  const bAt = space.pointer(b);
  const { outer, inner } = broadcastPlan(a.shape, b.shape, shape);
  for (const start of outer) {
    space.simd.compare(code, y + start.y, aAt + start.a * 4, bAt + start.b * 4, ...inner);
  }
  // Booleans live in ordinary arrays.
  return backend.makeTensorInfo(shape, "bool", new Uint8Array(backend.heap.buffer, y, size).slice());
}

/** Bytes or integers to floats; every other conversion is left to the stock kernel. */
function cast({ backend, inputs, attrs }: KernelCall): tf.TensorInfo | undefined {
  const x = input(inputs, "x");
  if (attrs.dtype !== "float32" || (x.dtype !== "bool" && x.dtype !== "int32")) return undefined;
  const values = backend.valuesOf(x);
  const result = backend.floats(values.length);
  result.set(values);
  return backend.tensor(x.shape, result);
}

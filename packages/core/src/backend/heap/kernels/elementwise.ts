import * as tf from "@tensorflow/tfjs-core";
import { broadcastPlan } from "../broadcast.ts";
import { binaryOp, parametricOp, unaryOp } from "../simd-module.ts";
import { input, type KernelCall, type Override, onFloats, sizeOf } from "./register.ts";

/** Functions that have no vector form here: a tight loop over the values. */
const scalarFunctions: Record<string, (x: number) => number> = {
  Log: Math.log,
  Log1p: Math.log1p,
  Expm1: Math.expm1,
  Tanh: Math.tanh,
  Sin: Math.sin,
  Cos: Math.cos,
};

export function registerElementwise(override: Override): void {
  for (const [name, code] of Object.entries(binaryOp)) {
    override(
      name,
      onFloats(["a", "b"], (call) => binary(call, code)),
    );
  }
  for (const [name, code] of Object.entries(unaryOp)) {
    override(
      name,
      onFloats(["x"], (call) => unary(call, code)),
    );
  }
  override(
    "Step",
    onFloats(["x"], (call) => unary(call, parametricOp.Step, call.attrs.alpha as number)),
  );
  override(
    "LeakyRelu",
    onFloats(["x"], (call) => unary(call, parametricOp.LeakyRelu, call.attrs.alpha as number)),
  );
  override(
    "Relu6",
    onFloats(["x"], (call) => unary(call, parametricOp.ClipByValue, 0, 6)),
  );
  override(
    "ClipByValue",
    onFloats(["x"], (call) =>
      unary(call, parametricOp.ClipByValue, call.attrs.clipValueMin as number, call.attrs.clipValueMax as number),
    ),
  );
  for (const [name, compute] of Object.entries(scalarFunctions)) {
    override(
      name,
      onFloats(["x"], (call) => scalarFunction(call, compute)),
    );
  }
  override("AddN", addN);
  override("Select", select);
}

function binary({ inputs, space }: KernelCall, code: number): tf.TensorInfo {
  const a = input(inputs, "a");
  const b = input(inputs, "b");
  const shape = tf.backend_util.assertAndGetBroadcastShape(a.shape, b.shape);
  const y = space.output(shape);
  const aAt = space.pointer(a);
  const bAt = space.pointer(b);
  const { outer, inner } = broadcastPlan(a.shape, b.shape, shape);
  for (const { y: yOffset, a: aOffset, b: bOffset } of outer) {
    space.simd.binary(code, y.at + yOffset * 4, aAt + aOffset * 4, bAt + bOffset * 4, ...inner);
  }
  return y.info;
}

function unary({ inputs, space }: KernelCall, code: number, p = 0, q = 0): tf.TensorInfo {
  const x = input(inputs, "x");
  const y = space.output(x.shape);
  space.simd.unary(code, y.at, space.pointer(x), sizeOf(x), p, q);
  return y.info;
}

function scalarFunction({ backend, inputs }: KernelCall, compute: (x: number) => number): tf.TensorInfo {
  const x = input(inputs, "x");
  const values = backend.valuesOf(x) as Float32Array;
  const result = backend.floats(values.length);
  for (let i = 0; i < values.length; i++) result[i] = compute(values[i]!);
  return backend.tensor(x.shape, result);
}

/** Sum of a list of tensors of one shape: what accumulating gradients comes down to. */
function addN({ inputs, space }: KernelCall): tf.TensorInfo | undefined {
  const terms = Object.values(inputs) as tf.TensorInfo[];
  const first = terms[0];
  if (!first || terms.some((term) => term.dtype !== "float32") || sizeOf(first) === 0) return undefined;
  const y = space.output(first.shape);
  const n = sizeOf(first);
  space.view(y.at, n).set(space.backend.valuesOf(first) as Float32Array);
  for (const term of terms.slice(1)) space.simd.accumulate(y.at, space.pointer(term), n);
  return y.info;
}

function select({ backend, inputs, space }: KernelCall): tf.TensorInfo | undefined {
  const condition = input(inputs, "condition");
  const t = input(inputs, "t");
  const e = input(inputs, "e");
  const n = sizeOf(t);
  if (t.dtype !== "float32" || e.dtype !== "float32" || condition.dtype !== "bool") return undefined;
  if (n === 0 || sizeOf(condition) !== n || sizeOf(e) !== n) return undefined;
  const y = space.output(t.shape);
  const mask = space.stage(backend.valuesOf(condition) as Uint8Array);
  space.simd.select(y.at, mask, space.pointer(t), space.pointer(e), n);
  return y.info;
}

import * as tf from "@tensorflow/tfjs-core";
import { broadcastPlan } from "../broadcast.ts";
import { input, type KernelCall, onFloats, override } from "./register.ts";

/** Comparisons give bytes, which the vector kernels do not handle: tight loops over the broadcast operands instead. */
const COMPARISONS: Record<string, (a: number, b: number) => boolean> = {
  Equal: (a, b) => a === b,
  NotEqual: (a, b) => a !== b,
  Greater: (a, b) => a > b,
  GreaterEqual: (a, b) => a >= b,
  Less: (a, b) => a < b,
  LessEqual: (a, b) => a <= b,
};

export function registerComparisons(): void {
  for (const [name, test] of Object.entries(COMPARISONS)) {
    override(
      name,
      onFloats(["a", "b"], (call) => compare(call, test)),
    );
  }
  override("Cast", cast);
}

function compare({ backend, inputs }: KernelCall, test: (a: number, b: number) => boolean): tf.TensorInfo {
  const a = input(inputs, "a");
  const b = input(inputs, "b");
  const shape = tf.backend_util.assertAndGetBroadcastShape(a.shape, b.shape);
  const aValues = backend.valuesOf(a);
  const bValues = backend.valuesOf(b);
  const result = new Uint8Array(tf.util.sizeFromShape(shape));
  const { outer, inner } = broadcastPlan(a.shape, b.shape, shape);
  const [n0, n1, n, a0, a1, aStep, b0, b1, bStep] = inner;
  for (const start of outer) {
    let y = start.y;
    for (let i = 0; i < n0; i++) {
      for (let j = 0; j < n1; j++) {
        let aAt = start.a + i * a0 + j * a1;
        let bAt = start.b + i * b0 + j * b1;
        for (let k = 0; k < n; k++) {
          result[y++] = test(aValues[aAt]!, bValues[bAt]!) ? 1 : 0;
          aAt += aStep;
          bAt += bStep;
        }
      }
    }
  }
  return backend.makeTensorInfo(shape, "bool", result);
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

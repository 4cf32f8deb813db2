import * as tf from "@tensorflow/tfjs-core";
import { checkArgument } from "@villa/data";
import { runFused } from "../backend/fused.ts";

/**
 * The three forms of the Gaussian error linear unit that checkpoints use: `gelu` exact, x·Φ(x); `gelu_tanh`, its
 * approximation by a hyperbolic tangent (SigLIP); `quick_gelu`, x·σ(1.702 x) (OpenAI's CLIP).
 */
export type GeluKind = "gelu" | "gelu_tanh" | "quick_gelu";

/**
 * GELU, element by element. The gradient keeps one tensor of x's size: x, or the derivative where a kernel computes both.
 *
 * @param x any shape, float32
 */
export function gelu<T extends tf.Tensor>(x: T, kind: GeluKind = "gelu"): T {
  checkArgument("x", x, "tensor");
  checkArgument("kind?", kind, "'gelu' | 'gelu_tanh' | 'quick_gelu'");

  const differentiated = tf.engine().state.gradientDepth > 0;
  const activate = tf.customGrad((input, save) => {
    const x = input as tf.Tensor;
    const both = differentiated ? runFused("VillaGeluSlope", { x }, { kind }) : undefined;
    const value = both?.[0] ?? runFused("VillaGelu", { x }, { kind })?.[0] ?? tf.tidy(() => tf.mul(x, gate(x, kind)));
    (save as tf.GradSaveFunc)([both?.[1] ?? x]);
    const gradFunc = (dy: tf.Tensor, saved: tf.Tensor[]) =>
      tf.tidy(() => tf.mul(dy, both ? saved[0]! : derivative(saved[0]!, kind)));
    return { value, gradFunc };
  });
  return activate(x) as T;
}

const root2OverPi = Math.sqrt(2 / Math.PI);
const cubic = 0.044715;

/** What x is multiplied with. */
function gate(x: tf.Tensor, kind: GeluKind): tf.Tensor {
  if (kind === "quick_gelu") return tf.sigmoid(tf.mul(x, 1.702));
  const half = kind === "gelu" ? tf.erf(tf.mul(x, Math.SQRT1_2)) : tf.tanh(inner(x));
  return tf.mul(tf.add(half, 1), 0.5);
}

/** √(2/π)·(x + 0.044715 x³) */
function inner(x: tf.Tensor): tf.Tensor {
  return tf.mul(tf.mul(x, tf.add(tf.mul(tf.square(x), cubic), 1)), root2OverPi);
}

/** gate + x · dgate/dx */
function derivative(x: tf.Tensor, kind: GeluKind): tf.Tensor {
  const open = gate(x, kind);
  return tf.add(open, tf.mul(x, slope(x, open, kind)));
}

function slope(x: tf.Tensor, open: tf.Tensor, kind: GeluKind): tf.Tensor {
  const rising = tf.mul(open, tf.sub(1, open)); // of a logistic function
  if (kind === "quick_gelu") return tf.mul(rising, 1.702);
  if (kind === "gelu") return tf.mul(tf.exp(tf.mul(tf.square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
  // (1 + tanh u) / 2 = σ(2u), so its slope is 2 σ (1 − σ) u'
  return tf.mul(rising, tf.mul(tf.add(tf.mul(tf.square(x), 3 * cubic), 1), 2 * root2OverPi));
}

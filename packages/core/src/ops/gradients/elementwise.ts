import * as tf from "@tensorflow/tfjs-core";
import { type Attributes, unbroadcast } from "./shared.ts";

/** One derivative of a unary kernel: `saved` is its input or its output, whichever the formula needs. */
type UnaryDerivative = (dy: tf.Tensor, saved: tf.Tensor, attributes: Attributes) => tf.Tensor;

function unary(kernelName: string, keep: "input" | "output", derivative: UnaryDerivative): tf.GradConfig {
  const gradFunc: tf.GradFunc = (dy, saved, attrs) => ({
    x: () => derivative(dy as tf.Tensor, saved[0]!, attrs as Attributes),
  });
  return keep === "input"
    ? { kernelName, inputsToSave: ["x"], gradFunc }
    : { kernelName, outputsToSave: [true], gradFunc };
}

/** Kernels whose result is locally constant. */
function flat(kernelName: string): tf.GradConfig {
  return { kernelName, gradFunc: (dy) => ({ x: () => tf.zerosLike(dy as tf.Tensor) }) };
}

/** A broadcasting binary kernel; the two derivatives are summed back to their operand's shape. */
function binary(
  kernelName: string,
  derivative: (dy: tf.Tensor, a: tf.Tensor, b: tf.Tensor) => { a: () => tf.Tensor; b: () => tf.Tensor },
): tf.GradConfig {
  return {
    kernelName,
    inputsToSave: ["a", "b"],
    gradFunc: (dy, saved) => {
      const [a, b] = saved as [tf.Tensor, tf.Tensor];
      const gradients = derivative(dy as tf.Tensor, a, b);
      return { a: () => unbroadcast(gradients.a(), a.shape), b: () => unbroadcast(gradients.b(), b.shape) };
    },
  };
}

const unaryGradients: tf.GradConfig[] = [
  unary(tf.Abs, "input", (dy, x) => tf.mul(dy, tf.sign(x))),
  unary(tf.Cos, "input", (dy, x) => tf.neg(tf.mul(dy, tf.sin(x)))),
  unary(tf.Sin, "input", (dy, x) => tf.mul(dy, tf.cos(x))),
  unary(tf.Erf, "input", (dy, x) => tf.mul(dy, tf.mul(tf.exp(tf.neg(tf.square(x))), 2 / Math.sqrt(Math.PI)))),
  unary(tf.Exp, "output", (dy, y) => tf.mul(dy, y)),
  unary(tf.Expm1, "output", (dy, y) => tf.mul(dy, tf.add(y, 1))),
  unary(tf.Log, "input", (dy, x) => tf.div(dy, x)),
  unary(tf.Log1p, "input", (dy, x) => tf.div(dy, tf.add(x, 1))),
  unary(tf.Reciprocal, "output", (dy, y) => tf.neg(tf.mul(dy, tf.square(y)))),
  unary(tf.Relu, "output", (dy, y) => tf.mul(dy, tf.step(y))),
  unary(tf.Rsqrt, "output", (dy, y) => tf.mul(dy, tf.mul(tf.mul(tf.square(y), y), -0.5))),
  unary(tf.Sigmoid, "output", (dy, y) => tf.mul(dy, tf.mul(y, tf.sub(1, y)))),
  unary(tf.Softplus, "input", (dy, x) => tf.mul(dy, tf.sigmoid(x))),
  unary(tf.Sqrt, "output", (dy, y) => tf.div(dy, tf.mul(y, 2))),
  unary(tf.Square, "input", (dy, x) => tf.mul(dy, tf.mul(x, 2))),
  unary(tf.Tanh, "output", (dy, y) => tf.mul(dy, tf.sub(1, tf.square(y)))),
  unary(tf.LeakyRelu, "input", (dy, x, attrs) => {
    const alpha = attrs.alpha as number;
    return tf.mul(dy, tf.add(tf.mul(tf.step(x), 1 - alpha), alpha));
  }),
  unary(tf.ClipByValue, "input", (dy, x, attrs) => {
    const inside = tf.logicalAnd(
      tf.greaterEqual(x, attrs.clipValueMin as number),
      tf.lessEqual(x, attrs.clipValueMax as number),
    );
    return tf.mul(dy, tf.cast(inside, "float32"));
  }),
  { kernelName: tf.Neg, gradFunc: (dy) => ({ x: () => tf.neg(dy as tf.Tensor) }) },
  { kernelName: tf.Identity, gradFunc: (dy) => ({ x: () => tf.clone(dy as tf.Tensor) }) },
  { kernelName: tf.Cast, gradFunc: (dy) => ({ x: () => tf.cast(dy as tf.Tensor, "float32") }) },
  ...[tf.Ceil, tf.Floor, tf.Round, tf.Sign, tf.Step, tf.OnesLike, tf.ZerosLike].map(flat),
];

const binaryGradients: tf.GradConfig[] = [
  binary(tf.Add, (dy) => ({ a: () => dy, b: () => dy })),
  binary(tf.Sub, (dy) => ({ a: () => dy, b: () => tf.neg(dy) })),
  binary(tf.Multiply, (dy, a, b) => ({
    a: () => tf.mul(dy, tf.cast(b, "float32")),
    b: () => tf.mul(dy, tf.cast(a, "float32")),
  })),
  binary(tf.RealDiv, (dy, a, b) => ({
    a: () => tf.div(dy, tf.cast(b, "float32")),
    b: () => tf.neg(tf.div(tf.mul(dy, tf.cast(a, "float32")), tf.square(tf.cast(b, "float32")))),
  })),
  binary(tf.SquaredDifference, (dy, a, b) => ({
    a: () => tf.mul(dy, tf.mul(tf.sub(a, b), 2)),
    b: () => tf.mul(dy, tf.mul(tf.sub(b, a), 2)),
  })),
  binary(tf.Maximum, (dy, a, b) => ({
    a: () => tf.mul(dy, tf.cast(tf.greaterEqual(a, b), "float32")),
    b: () => tf.mul(dy, tf.cast(tf.less(a, b), "float32")),
  })),
  binary(tf.Minimum, (dy, a, b) => ({
    a: () => tf.mul(dy, tf.cast(tf.lessEqual(a, b), "float32")),
    b: () => tf.mul(dy, tf.cast(tf.greater(a, b), "float32")),
  })),
  binary(tf.Pow, (dy, a, b) => ({
    a: () => tf.mul(dy, tf.mul(b, tf.pow(a, tf.sub(b, 1)))),
    b: () => tf.mul(dy, tf.mul(tf.pow(a, b), tf.where(tf.greater(a, 0), tf.log(a), tf.zerosLike(a)))),
  })),
];

const select: tf.GradConfig = {
  kernelName: tf.Select,
  inputsToSave: ["condition"],
  gradFunc: (dy, saved) => {
    const chosen = tf.cast(saved[0]!, "float32");
    return {
      condition: () => tf.zerosLike(chosen),
      t: () => tf.mul(dy as tf.Tensor, chosen),
      e: () => tf.mul(dy as tf.Tensor, tf.sub(1, chosen)),
    };
  },
};

const addN: tf.GradConfig = {
  kernelName: tf.AddN,
  saveAllInputs: true,
  gradFunc: (dy, saved) => Object.fromEntries(saved.map((_, i) => [i, () => tf.clone(dy as tf.Tensor)])),
};

export const elementwiseGradients: readonly tf.GradConfig[] = [...unaryGradients, ...binaryGradients, select, addN];

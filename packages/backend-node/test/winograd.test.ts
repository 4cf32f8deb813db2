import * as tf from "@tensorflow/tfjs-core";
import { conv2d } from "@villa/core";
import { expectAllClose, tensorValues } from "@villa/testing";
import { beforeEach, describe, expect, test } from "vitest";
import { activateNative } from "../src/index.ts";

const tensor = <T extends tf.Tensor = tf.Tensor4D>(name: string, ...shape: number[]) =>
  tf.tensor(tensorValues(name, shape), shape) as T;

beforeEach(() => activateNative());

type Convolution = (x: tf.Tensor4D, filter: tf.Tensor4D) => tf.Tensor4D;

/** Result, and gradients for x and the filter of a sum weighted by `weights`. */
function resultAndGradients(convolve: Convolution, x: tf.Tensor4D, filter: tf.Tensor4D): tf.Tensor[] {
  return tf.tidy(() => {
    const y = convolve(x, filter);
    const weights = tensor("weights", ...y.shape);
    const sum = (x: tf.Tensor, filter: tf.Tensor) =>
      tf.sum(tf.mul(convolve(x as tf.Tensor4D, filter as tf.Tensor4D), weights));
    return [y, ...tf.grads(sum)([x, filter])];
  });
}

/** The same by patches, which the conformance tests compare with the plain backend: a channel too many rules Winograd out. */
function byPatches(x: tf.Tensor4D, filter: tf.Tensor4D, padding: number): tf.Tensor4D {
  const [height, width, inputs, outputs] = filter.shape;
  const y = conv2d(x, tf.concat4d([filter, tf.zeros([height, width, inputs, 1])], 3), { padding });
  return tf.slice(y, [0, 0, 0, 0], [...y.shape.slice(0, 3), outputs]) as tf.Tensor4D;
}

// Channels and sizes for which the kernels choose Winograd; sides that tiles of four do not divide.
describe.each([
  { size: [2, 13, 18, 64, 80], padding: 1 },
  { size: [3, 14, 15, 80, 64], padding: 0 },
  { size: [4, 9, 10, 64, 64], padding: 2 },
])("3 × 3 convolutions, $size, padding $padding", ({ size, padding }) => {
  const [batch, height, width, inputs, outputs] = size as [number, number, number, number, number];
  const operands = () => [tensor("x", batch, height, width, inputs), tensor("filter", 3, 3, inputs, outputs)] as const;

  test("results and both gradients, to within Winograd's rounding", () => {
    const computed = resultAndGradients((x, filter) => conv2d(x, filter, { padding }), ...operands());
    const expected = resultAndGradients((x, filter) => byPatches(x, filter, padding), ...operands());
    for (const [i, label] of ["result", "gradient of x", "gradient of the filter"].entries()) {
      const values = expected[i]!.dataSync();
      const scale = Math.max(...values.map(Math.abs));
      expect(computed[i]!.dataSync(), label).not.toEqual(values); // else both went one way
      expectAllClose(computed[i]!.dataSync(), values, { rtol: 0, atol: 2e-5 * scale, label });
    }
  });

  test("a bias and ReLU in the same call", () => {
    const [x, filter] = operands();
    const bias = tensor<tf.Tensor1D>("bias", outputs);
    const fused = tf.fused.conv2d({ x, filter, strides: 1, pad: padding, bias, activation: "relu" });
    const single = tf.relu(tf.add(conv2d(x, filter, { padding }), bias));
    expectAllClose(fused.dataSync(), single.dataSync(), { rtol: 1e-6, atol: 1e-6 });
  });
});

test("more tiles than a chunk holds: the whole batch gives what its halves give", () => {
  const [x, filter] = [tensor("many", 256, 15, 15, 64), tensor("filter", 3, 3, 64, 64)];
  const dy = tensor("dy", 256, 15, 15, 64);
  const attributes = { strides: [1, 1], pad: 1, dataFormat: "NHWC", filterShape: filter.shape };
  const gradient = (x: tf.Tensor, dy: tf.Tensor) =>
    tf.engine().runKernel("Conv2DBackpropFilter", { x, dy }, attributes) as tf.Tensor;
  const half = (whole: tf.Tensor4D, which: number) => tf.slice(whole, [which * 128, 0, 0, 0], [128, 15, 15, 64]);
  const halves = [0, 1].map((which) => conv2d(half(x, which), filter, { padding: 1 }));
  const whole = conv2d(x, filter, { padding: 1 });
  expectAllClose(whole.dataSync(), tf.concat(halves, 0).dataSync(), { rtol: 1e-5, atol: 1e-5 });
  const sums = [0, 1].map((which) => gradient(half(x, which), half(dy, which)));
  const scale = Math.max(...sums[0]!.dataSync().map(Math.abs));
  const sum = tf.add(sums[0]!, sums[1]!).dataSync();
  expectAllClose(gradient(x, dy).dataSync(), sum, { rtol: 0, atol: 1e-5 * scale });
});

test("values that are not finite stay so", () => {
  const x = tf.tidy(() => tf.mul(tf.ones([4, 12, 12, 64]), Number.NaN)) as tf.Tensor4D;
  const y = conv2d(x, tensor("filter", 3, 3, 64, 64), { padding: 1 });
  expect(y.dataSync().every(Number.isNaN)).toBe(true);
});

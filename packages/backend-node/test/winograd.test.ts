import * as tf from "@tensorflow/tfjs-core";
import { conv2d, plainCpuBackend } from "@villa/core";
import { expectAllClose, tensorValues } from "@villa/testing";
import { beforeEach, describe, expect, test } from "vitest";
import { activateNative } from "../src/index.ts";

const tensor = <T extends tf.Tensor = tf.Tensor4D>(name: string, ...shape: number[]) =>
  tf.tensor(tensorValues(name, shape), shape) as T;

beforeEach(() => activateNative());

/** Result, and gradients for x and the filter of a sum weighted by `weights`. */
function convolution(x: tf.Tensor4D, filter: tf.Tensor4D, padding: number): tf.Tensor[] {
  return tf.tidy(() => {
    const y = conv2d(x, filter, { padding });
    const weights = tensor("weights", ...y.shape);
    const gradients = tf.grads((x, filter) =>
      tf.sum(tf.mul(conv2d(x as tf.Tensor4D, filter as tf.Tensor4D, { padding }), weights)),
    )([x, filter]);
    return [y, ...gradients];
  });
}

// Channels and sizes for which the kernels choose Winograd; sides that tiles of four do not divide.
describe.each([
  { size: [2, 13, 18, 64, 80], padding: 1 },
  { size: [2, 14, 15, 80, 64], padding: 0 },
  { size: [4, 9, 10, 64, 64], padding: 2 },
])("3 × 3 convolutions, $size, padding $padding", ({ size, padding }) => {
  const [batch, height, width, inputs, outputs] = size as [number, number, number, number, number];
  const operands = () => [tensor("x", batch, height, width, inputs), tensor("filter", 3, 3, inputs, outputs)] as const;

  test("results and both gradients are the plain backend's, to within Winograd's rounding", async () => {
    const computed = await Promise.all(convolution(...operands(), padding).map((each) => each.data()));
    await plainCpuBackend().activate();
    const expected = convolution(...operands(), padding);
    for (const [i, name] of ["result", "gradient of x", "gradient of the filter"].entries()) {
      const values = expected[i]!.dataSync();
      const scale = Math.max(...values.map(Math.abs));
      expectAllClose(computed[i]!, values, { rtol: 0, atol: 2e-5 * scale, label: name });
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

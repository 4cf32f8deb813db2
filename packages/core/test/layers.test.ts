import * as tf from "@tensorflow/tfjs-core";
import { expectAllClose, tensorValues } from "@villa/testing";
import { testBackends } from "@villa/testing/backends";
import { beforeAll, describe, expect, it } from "vitest";
import {
  avgPool2d,
  batchNormTrain,
  conv2d,
  infoNCE,
  l2Normalize,
  layerNorm,
  linear,
  logSumExp,
  lossAndGradients,
  sumRows,
} from "../src/index.ts";

describe.each(testBackends())("layers on $name", ({ activate }) => {
  beforeAll(activate);

  it("batchNormTrain normalises each channel and moves the running statistics as torch does", async () => {
    const shape: [number, number, number, number] = [4, 3, 3, 5];
    const x = tf.tidy(() => tf.add(tf.mul(tf.tensor4d(tensorValues("bn", shape), shape), 3), 100) as tf.Tensor4D);
    const [gamma, beta] = [tf.ones([5]), tf.zeros([5])];
    const runningMean = tf.variable(tf.zeros([5]));
    const runningVar = tf.variable(tf.ones([5]));
    const y = batchNormTrain(x, { gamma, beta, runningMean, runningVar });
    const channel = (values: ArrayLike<number>, c: number) => Array.from(values).filter((_, i) => i % 5 === c);
    const mean = (values: number[]) => values.reduce((sum, value) => sum + value, 0) / values.length;
    const [xs, ys] = [await x.data(), await y.data()];
    for (let c = 0; c < 5; c++) {
      const input = channel(xs, c);
      const variance = mean(input.map((value) => (value - mean(input)) ** 2));
      const output = channel(ys, c);
      expectAllClose([mean(output), mean(output.map((value) => value ** 2))], [0, 1], { rtol: 1e-3, atol: 1e-3 });
      const unbiased = (variance * 36) / 35;
      expectAllClose([(await runningMean.data())[c]!], [0.1 * mean(input)], { rtol: 1e-5 });
      expectAllClose([(await runningVar.data())[c]!], [0.9 + 0.1 * unbiased], { rtol: 1e-4 });
    }
    tf.dispose([x, y, gamma, beta, runningMean, runningVar]);
  });

  it("a linear layer and a layer norm of a matrix keep their operands for the backward pass, not their results", () => {
    const [x, weight, bias] = [tf.ones([600, 5]), tf.ones([4, 5]), tf.ones([4])] as [
      tf.Tensor2D,
      tf.Tensor2D,
      tf.Tensor1D,
    ];
    const map = 600 * 4 * 4; // bytes
    let kept = 0;
    const gradient = tf.grad((x) => {
      const before = tf.memory().numBytes;
      const y = tf.tidy(() => tf.neg(layerNorm(linear(x, weight, bias), bias, bias)));
      kept = tf.memory().numBytes - before;
      return tf.sum(y);
    })(x);
    expect(kept / map).toBeCloseTo(1.25 + 2, 1); // x, the layer norm's operand, and y
    tf.dispose([gradient, x, weight, bias]);
  });

  it("sumRows of many rows is as exact as of few", async () => {
    for (const rows of [1, 13, 100_000]) {
      // Odd multiples of 2⁻²³ above 1: every addition of a running sum rounds.
      const values = Float32Array.from({ length: rows }, (_, i) => 1 + (2 * (i % 1000) + 1) * 2 ** -23);
      const exact = values.reduce((sum, value) => sum + value, 0);
      const [sum] = await sumRows(tf.tensor2d(values, [rows, 1])).data();
      expect(Math.abs(sum! / exact - 1)).toBeLessThan(1e-6);
    }
  });

  it("batchNormTrain refuses a single value per channel", () => {
    const [x, gamma, beta] = [tf.ones([1, 3]), tf.ones([3]), tf.zeros([3])];
    expect(() => batchNormTrain(x, { gamma, beta })).toThrow("more than one value");
    tf.dispose([x, gamma, beta]);
  });

  it("l2Normalize and logSumExp stay finite at the edges, gradients included", async () => {
    const [value, gradient] = tf.tidy(() => {
      const zero = tf.zeros([2, 3]);
      return [l2Normalize(zero), tf.grad((x) => l2Normalize(x))(zero)];
    });
    expect(Array.from(await value!.data()).every((each) => each === 0)).toBe(true);
    expect(Array.from(await gradient!.data()).every(Number.isFinite)).toBe(true);
    const extremes = tf.tensor2d([1e4, 1e4, -1e4, -2e4, Number.NEGATIVE_INFINITY, 0], [3, 2]);
    const lse = logSumExp(extremes);
    expectAllClose(await lse.data(), [1e4 + Math.log(2), -1e4, 0], { rtol: 1e-6 });
    tf.dispose([value!, gradient!, extremes, lse]);
  });

  it("infoNCE equals two cross-entropies and stays finite at a low temperature", async () => {
    const embed = (name: string) =>
      tf.tidy(() => l2Normalize(tf.tensor2d(tensorValues(name, [6, 8]), [6, 8])) as tf.Tensor2D);
    const [image, text] = [embed("nce:image"), embed("nce:text")];
    const expected = tf.tidy(() => {
      const logits = tf.div(tf.matMul(image, text, false, true), 0.07);
      const cross = (z: tf.Tensor) => tf.neg(tf.mean(tf.sum(tf.mul(tf.logSoftmax(z), tf.eye(6)), 1)));
      return tf.div(tf.add(cross(logits), cross(tf.transpose(logits))), 2);
    });
    const loss = infoNCE(image, text, { temperature: 0.07 });
    expectAllClose(await loss.data(), await expected.data(), { rtol: 1e-5 });
    const cold = infoNCE(image, text, { temperature: 1e-4 });
    expect(Number.isFinite((await cold.data())[0])).toBe(true);
    expect(() => infoNCE(image, tf.slice(text, 0, 5), { temperature: 0.07 })).toThrow("as many texts");
    tf.dispose([image, text, expected, loss, cold]);
  });

  it("a convolutional training step leaves no tensor behind", async () => {
    const parameters = new Map<string, tf.Variable>();
    const add = (name: string, shape: number[]) =>
      parameters.set(name, tf.variable(tf.tensor(tensorValues(`step:${name}`, shape), shape)));
    add("filter", [3, 3, 3, 8]);
    add("gamma", [8]);
    add("beta", [8]);
    const images = tf.tensor4d(tensorValues("step:images", [4, 8, 8, 3]), [4, 8, 8, 3]);
    const get = (name: string) => parameters.get(name)!;
    const objective = () => {
      const features = conv2d(images, get("filter"), { padding: 1 });
      const normal = batchNormTrain(features, { gamma: get("gamma"), beta: get("beta"), relu: true });
      const rows = l2Normalize(tf.reshape(avgPool2d(normal, 2), [4, -1])) as tf.Tensor2D;
      return infoNCE(rows, rows, { temperature: 0.5 });
    };
    const step = async () => {
      const { loss, gradients } = await lossAndGradients(objective, parameters);
      expect(Object.keys(gradients).sort()).toEqual(["beta", "filter", "gamma"]);
      tf.dispose(gradients);
      return loss;
    };
    const first = await step();
    const before = tf.memory();
    expect(await step()).toBe(first);
    expect(tf.memory().numTensors).toBe(before.numTensors);
    expect(tf.memory().numDataBuffers).toBe(before.numDataBuffers);
    tf.dispose([images, ...parameters.values()]);
  });
});

import * as tf from "@tensorflow/tfjs-core";
import { expectAllClose, tensorValues } from "@villa/testing";
import { testBackends } from "@villa/testing/backends";
import { beforeAll, describe, expect, it } from "vitest";
import { batchNormTrain, conv2d, l2Normalize, linear, plainCpuBackend } from "../src/index.ts";
import { parameterGradients } from "../src/train/gradients.ts";

const tensor = (name: string, shape: number[]) => tf.tensor(tensorValues(`grad:${name}`, shape), shape);

describe.each(testBackends())("parameterGradients on $name", ({ activate }) => {
  beforeAll(activate);

  it("equals tf.variableGrads, with shared gradients, custom gradients that pass dy on, and several outputs", async () => {
    const filter = tf.variable(tf.tidy(() => tensor("filter", [3, 3, 2, 4])));
    const weight = tf.variable(tf.tidy(() => tensor("weight", [3, 64])));
    const gamma = tf.variable(tf.tidy(() => tensor("gamma", [4])));
    const unused = tf.variable(tf.zeros([2]));
    const parameters = new Map<string, tf.Variable>(Object.entries({ filter, weight, gamma, unused }));
    const passOn = tf.customGrad((x) => ({ value: tf.clone(x as tf.Tensor), gradFunc: (dy: tf.Tensor) => dy }));
    const passTwice = tf.customGrad((a, b) => ({
      value: tf.add(a as tf.Tensor, b as tf.Tensor),
      gradFunc: (dy: tf.Tensor) => [dy, dy],
    }));
    const objective = () => {
      const x = conv2d(tensor("x", [3, 4, 4, 2]) as tf.Tensor4D, filter, { padding: 1 });
      const normal = batchNormTrain(x, { gamma, beta: tf.zeros([4]), relu: true });
      const sum = passTwice(passOn(normal), tf.add(normal, x)); // normal and x are each used several times
      const [first, second] = tf.split(tf.reshape(sum, [3, 64]), 2, 1) as [tf.Tensor, tf.Tensor];
      const rows = tf.concat([tf.mul(first, 2), tf.square(second)], 1);
      const [one] = tf.unstack(linear(l2Normalize(rows), weight), 1) as [tf.Tensor];
      return tf.sum(tf.mul(one, one)) as tf.Scalar;
    };
    const expected = tf.variableGrads(objective, [...parameters.values()]);
    const before = tf.memory().numTensors;
    const { value, gradients } = parameterGradients(objective, parameters);
    expect(tf.memory().numTensors).toBe(before + 4);
    expectAllClose(await value.data(), await expected.value.data());
    expect(Object.keys(gradients).sort()).toEqual(["filter", "gamma", "weight"]);
    for (const [name, gradient] of Object.entries(gradients)) {
      expectAllClose(await gradient.data(), await expected.grads[parameters.get(name)!.name]!.data(), { label: name });
    }
    tf.dispose([value, gradients, expected.value, expected.grads, filter, weight, gamma, unused]);
  });

  it("frees activations and gradients during the backward pass", () => {
    const weight = tf.variable(tf.ones([1000]));
    let atTheEnd = 0;
    const probe = tf.customGrad((x) => ({
      value: tf.clone(x as tf.Tensor),
      gradFunc: (dy: tf.Tensor) => {
        atTheEnd = tf.memory().numBytes;
        return tf.clone(dy);
      },
    }));
    const objective = () => {
      let x = probe(weight);
      for (let layer = 0; layer < 50; layer++) x = tf.mul(tf.square(x), 0.9);
      return tf.sum(x) as tf.Scalar;
    };
    const before = tf.memory().numBytes;
    const { value, gradients } = parameterGradients(objective, new Map([["weight", weight]]));
    expect(atTheEnd - before).toBeLessThan(4000 * 10);
    tf.dispose([value, gradients, weight]);
    expect(tf.memory().numBytes).toBe(before - 4000);
  });
});

describe("registered gradients of rarer kernels", () => {
  beforeAll(() => plainCpuBackend().activate());
  const positive = (x: tf.Tensor) => tf.add(tf.abs(x), 0.5);
  const cases: [name: string, f: (x: tf.Tensor) => tf.Tensor][] = [
    ["pow base", (x) => tf.pow(positive(x), 1.7)],
    ["pow exponent", (x) => tf.pow(tf.scalar(1.3), x)],
    ["erf", tf.erf],
    ["leakyRelu", (x) => tf.leakyRelu(x, 0.1)],
    ["softplus", tf.softplus],
    ["log1p", (x) => tf.log1p(positive(x))],
    ["expm1", tf.expm1],
    ["sin", tf.sin],
    ["cos", tf.cos],
    ["cumsum", (x) => tf.cumsum(x, 1)],
    ["cumsum exclusive reverse", (x) => tf.cumsum(x, 1, true, true)],
    ["unstack", (x) => tf.mul(...(tf.unstack(x, 0).slice(0, 2) as [tf.Tensor, tf.Tensor]))],
    ["gather of columns", (x) => tf.square(tf.gather(x, tf.tensor2d([1, 1, 0, 3], [2, 2], "int32"), 1))],
    ["tile", (x) => tf.mul(tf.tile(x, [2, 3]), tensor("tiles", [6, 12]))],
    ["maxPool", (x) => tf.maxPool(tf.reshape(x, [1, 3, 4, 1]) as tf.Tensor4D, 2, 1, "valid")],
    ["addN", (x) => tf.addN([x, tf.square(x), x])],
    ["transposed convolution", (x) =>
      tf.conv2dTranspose(tf.reshape(x, [1, 3, 4, 1]) as tf.Tensor4D, tensor("t", [2, 2, 1, 1]) as tf.Tensor4D, [1, 4, 5, 1], 1, "valid")],
    ["mean over batches of broadcast products", (x) => tf.mean(tf.matMul(tf.reshape(x, [1, 3, 4]), tensor("m", [5, 4, 2])), 0)],
  ]; // biome-ignore format: one case a line

  it.each(cases)("%s", (_, f) => {
    tf.tidy(() => {
      const x = tensor("rare", [3, 4]);
      const weights = tensor("rare:w", f(x).shape);
      const g = (at: tf.Tensor) => tf.sum(tf.mul(f(at), weights)) as tf.Scalar;
      const gradient = tf.grad(g)(x).dataSync();
      const step = 1e-2;
      const numeric = Array.from({ length: 12 }, (__, i) => {
        const shift = tf.reshape(tf.mul(tf.oneHot(tf.scalar(i, "int32"), 12), step), [3, 4]);
        return tf.div(tf.sub(g(tf.add(x, shift)), g(tf.sub(x, shift))), 2 * step).dataSync()[0]!;
      });
      expectAllClose(gradient, numeric, { rtol: 1e-2, atol: 2e-3 });
    });
  });
});

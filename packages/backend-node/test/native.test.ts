import * as tf from "@tensorflow/tfjs-core";
import { Adam, attention, batchNormTrain, conv2d, linear, plainCpuBackend } from "@villa/core";
import { Heap } from "@villa/core/kernels";
import { expectAllClose, tensorValues } from "@villa/testing";
import { beforeEach, describe, expect, test } from "vitest";
import { activateNative } from "../src/index.ts";
import { NativeBackend } from "../src/native/backend.ts";
import { loadOnnxRuntime } from "../src/native/onnx/runtime.ts";

const backend = () => tf.backend() as NativeBackend;
const tensor = (name: string, ...shape: number[]) => tf.tensor(tensorValues(name, shape), shape);

beforeEach(() => activateNative());

describe("tensors in the heap", () => {
  test("values read from a tensor survive it", () => {
    const x = tf.mul(tensor("read", 100), 2);
    const values = x.dataSync();
    const copy = values.slice();
    x.dispose();
    tf.dispose([tf.ones([100]), tf.fill([100], 3)]);
    expect(values).toEqual(copy);
  });

  test("a tensor keeps its values when the caller's array changes, and the other way round", () => {
    const values = tensorValues("caller", [100]);
    const before = values.slice();
    const x = tf.tensor(values);
    values.fill(0);
    expect(x.dataSync()).toEqual(before);
    x.dispose();
  });

  test("slices that a stock kernel takes survive their source", () => {
    const x = tensor("unstack", 4, 100);
    const expected = x.arraySync() as number[][];
    const rows = tf.unstack(tf.mul(x, 1));
    x.dispose();
    const noise = tf.fill([4, 100], 7);
    for (const [i, row] of rows.entries()) expect(row.arraySync()).toEqual(expected[i]);
    tf.dispose([noise, ...rows]);
  });

  test("shared memory goes in and comes out", () => {
    const shared = new Float32Array(new SharedArrayBuffer(400)).fill(2);
    const small = new Float32Array(new SharedArrayBuffer(16)).fill(3);
    const product = tf.matMul(tf.tensor(shared, [25, 4]), tf.tensor(small, [4, 1]));
    expect(Array.from(product.dataSync())).toEqual(new Array(25).fill(24));
    product.dispose();
  });
});

describe("training steps", () => {
  const makeStep = () => {
    const filter = tf.variable(tensor("filter", 3, 3, 5, 24));
    const gamma = tf.variable(tf.ones([24]));
    const beta = tf.variable(tf.zeros([24]));
    const weight = tf.variable(tensor("weight", 10, 24));
    const parameters = new Map([
      ["filter", filter],
      ["gamma", gamma],
      ["beta", beta],
      ["weight", weight],
    ]);
    const optimizer = new Adam({ parameters, learningRate: 1e-2, weightDecay: 0.1 });
    const images = tensor("images", 4, 12, 12, 5) as tf.Tensor4D;
    const bias = tf.zeros([10]);
    const step = () => {
      const { value, grads } = tf.variableGrads(() => {
        const maps = batchNormTrain(conv2d(images, filter as unknown as tf.Tensor4D, { padding: 1 }), {
          gamma,
          beta,
          relu: true,
        });
        const pooled = tf.mean(maps, [1, 2]) as tf.Tensor2D; // [B, H, W, C] -> [B, C]
        return tf.mean(tf.square(linear(pooled, weight as unknown as tf.Tensor2D, bias as tf.Tensor1D))) as tf.Scalar;
      });
      const named = Object.fromEntries([...parameters].map(([name, variable]) => [name, grads[variable.name]!]));
      optimizer.step(named);
      const loss = value.dataSync()[0]!;
      tf.dispose([value, grads]);
      return loss;
    };
    const finish = () => {
      const result = [...parameters.values()].map((variable) => variable.dataSync());
      optimizer.dispose();
      tf.dispose([...parameters.values(), images, bias]);
      return result;
    };
    return { step, finish };
  };

  test("leave no tensors and no memory behind over 1000 steps", () => {
    const { step, finish } = makeStep();
    const first = step();
    for (let i = 0; i < 9; i++) step();
    const { numTensors } = tf.memory();
    const { used } = backend().heap;
    let last = first;
    for (let i = 0; i < 990; i++) last = step();
    expect(tf.memory().numTensors).toBe(numTensors);
    expect(backend().heap.used).toBe(used);
    expect(last).toBeLessThan(first);
    finish();
  });

  test("repeat bit for bit", () => {
    const run = () => {
      const { step, finish } = makeStep();
      const losses = Array.from({ length: 20 }, step);
      return { losses, parameters: finish() };
    };
    expect(run()).toEqual(run());
  });
});

describe("Adam's kernel", () => {
  const attributes = {
    learningRate: 0.1,
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
    weightDecay: 0,
    decoupled: false,
    biasCorrection1: 0.1,
    biasCorrection2: 0.001,
  };
  const run = (parameter: tf.Tensor, mean: tf.Tensor, meanSquare: tf.Tensor) => {
    const gradient = tf.ones(parameter.shape);
    const inputs = { parameter, gradient, mean, meanSquare };
    return tf.engine().runKernel("VillaAdamStep", inputs, attributes) as tf.Tensor[];
  };

  test("works in place only where nobody else sees the values", () => {
    const [parameter, mean, meanSquare] = [tf.zeros([100]), tf.zeros([100]), tf.zeros([100])];
    expect(run(parameter!, mean!, meanSquare!)).toHaveLength(0);
    expect(parameter!.dataSync()[0]).toBeCloseTo(-0.1, 5);
    const seen = tf.clone(parameter!);
    const outputs = run(parameter!, mean!, meanSquare!);
    expect(outputs).toHaveLength(3);
    expect(seen.dataSync()[99]).toBeCloseTo(-0.1, 5);
    expect(outputs[0]!.dataSync()[99]).toBeLessThan(-0.15);
  });
});

describe("large results", () => {
  test("are written where they lie and not copied", () => {
    const onnx = loadOnnxRuntime(1);
    const graph = () => ({
      nodes: [{ operator: "Relu", inputs: ["a"], outputs: ["y"] }],
      inputRanks: [2],
      outputRank: 2,
    });
    const dims = [1000, 1000];
    const x = { data: tensorValues("uncopied", dims), dims };
    const y = { data: new Float32Array(1_000_000), dims };
    onnx.run("relu", graph, [x], y); // opens the session
    y.data.fill(-1);
    const before = process.memoryUsage().arrayBuffers;
    onnx.run("relu", graph, [x], y);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1_000_000);
    expect(y.data.every((value, i) => value === Math.max(0, x.data[i]!))).toBe(true);
  });

  test("leave other errors of a run alone", () => {
    const onnx = loadOnnxRuntime(1);
    const product = () => ({
      nodes: [{ operator: "Gemm", inputs: ["a", "b"], outputs: ["y"] }],
      inputRanks: [2, 2],
      outputRank: 2,
    });
    const operand = { data: new Float32Array(120_000), dims: [300, 400] };
    const y = { data: new Float32Array(120_000), dims: [300, 400] };
    expect(() => onnx.run("gemm", product, [operand, operand], y)).toThrow(/Gemm/);
  });

  test("a gradient of weights is the product with the transposed rows", () => {
    tf.tidy(() => {
      const a = tensor("rows", 300, 260) as tf.Tensor2D;
      const b = tensor("columns", 300, 520) as tf.Tensor2D;
      const wide = tf.matMul(a, b, true); // as many columns as turn a first
      const narrow = [0, 260].map((from) => tf.matMul(a, tf.slice(b, [0, from], [300, 260]), true));
      expectAllClose(wide.dataSync(), tf.concat(narrow, 1).dataSync(), { rtol: 1e-5, atol: 1e-5 });
      const c = tf.transpose(b) as tf.Tensor2D;
      expectAllClose(tf.matMul(a, c, true, true).dataSync(), wide.dataSync(), { rtol: 1e-5, atol: 1e-5 });
    });
  });

  test.each([
    ["several sequences at a time and a rest", 5, 130],
    ["one sequence at a time", 2, 300],
  ])("the gradient of attention, %s", (_, count, length) => {
    tf.tidy(() => {
      const heads = 12;
      const [query, key, value, weight] = ["q", "k", "v", "w"].map((name) => tensor(name, count * length, 24));
      const mask = tf.mul(tensor("mask", count, 1, length, length), 3) as tf.Tensor4D;
      const gradients = (from: number, to: number) => {
        const [q, k, v, w] = [query, key, value, weight].map((x) =>
          tf.slice(x!, [from * length, 0], [(to - from) * length, 24]),
        );
        const own = tf.slice(mask, [from, 0, 0, 0], [to - from, 1, length, length]) as tf.Tensor4D;
        const attend = (...[q, k, v]: tf.Tensor[]) =>
          attention(q as tf.Tensor2D, k as tf.Tensor2D, v as tf.Tensor2D, { count: to - from, heads, mask: own });
        return tf.grads((...args) => tf.sum(tf.mul(attend(...args), w!)))([q!, k!, v!]);
      };
      const alone = Array.from({ length: count }, (_, sequence) => gradients(sequence, sequence + 1));
      for (const [index, whole] of gradients(0, count).entries()) {
        const joined = tf.concat(
          alone.map((each) => each[index]!),
          0,
        );
        expectAllClose(whole.dataSync(), joined.dataSync(), { rtol: 1e-4, atol: 1e-6 });
      }
    });
  });
});

test("a full heap falls back to ordinary arrays and stock kernels", async () => {
  const compute = () =>
    tf.tidy(() => {
      const a = tensor("full a", 200, 300);
      const b = tensor("full b", 300, 250);
      const image = tf.reshape(a, [1, 20, 30, 100]) as tf.Tensor4D;
      const filter = tensor("full filter", 3, 3, 100, 8) as tf.Tensor4D;
      const convolved = tf.conv2d(image, filter, 2, 1);
      const product = tf.relu(tf.matMul(a, b));
      const gradient = tf.grad((x) => tf.sum(tf.square(conv2d(x as tf.Tensor4D, filter, { padding: 1 }))))(image);
      const turned = tf.matMul(tensor("full left", 300, 400), tensor("full right", 300, 512), true); // left before the product
      const sums = [tf.sum(product, 0), tf.add(product, 1)];
      return [tf.softmax(product), ...sums, tf.transpose(product), convolved, gradient, turned];
    });
  const { onnx } = backend();
  await plainCpuBackend().activate();
  const expected = compute().map((x) => x.dataSync());
  tf.removeBackend("native");
  const heap = new Heap({ maximumBytes: 512 << 10 });
  tf.registerBackend("native", () => new NativeBackend(onnx, heap));
  try {
    await tf.setBackend("native");
    const results = compute();
    for (const [i, x] of results.entries()) expectAllClose(x.dataSync(), expected[i]!, { rtol: 1e-4, atol: 1e-3 });
    tf.dispose(results);
    expect(heap.used).toBe(0);
  } finally {
    tf.removeBackend("native");
    tf.registerBackend("native", () => new NativeBackend(onnx), 0);
  }
});

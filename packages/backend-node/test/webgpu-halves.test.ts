import * as tf from "@tensorflow/tfjs-core";
import { frozenWeight } from "@villa/core";
import { expectAllClose, tensorValues } from "@villa/testing";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { nativeBackend, webgpuBackend } from "../src/index.ts";

const forced = process.env.VILLA_TEST_WEBGPU === "1";

test("a backend without such storage says so", async () => {
  const native = nativeBackend();
  await native.activate();
  expect(() => frozenWeight(new Float32Array(4), [2, 2], "float16")).toThrow(
    "Weights are stored as float16 on the backend webgpu alone, not on native; leave storage at float32, or use webgpu.",
  );
  const plain = frozenWeight(Float32Array.of(0.1, 0.2), [2, 1]);
  expect([...(await plain.data())]).toEqual([Math.fround(0.1), Math.fround(0.2)]);
  plain.dispose();
});

interface Case {
  readonly name: string;
  readonly x: number[];
  readonly weight: number[];
  readonly compute: (x: tf.Tensor, weight: tf.Tensor) => tf.Tensor | tf.Tensor[];
  /** Shaders that widen a whole weight, of those that run. */
  readonly widens?: number;
}

const bias = (size: number) => tf.tensor1d(tensorValues("bias", [size]));
const cases: Case[] = [
  {
    name: "a product",
    x: [37, 45],
    weight: [45, 70],
    compute: (x, weight) => tf.matMul(x, weight),
  },
  {
    name: "a product with torch's weight, odd rows",
    x: [3, 11, 35],
    weight: [33, 35],
    compute: (x, weight) => tf.matMul(tf.reshape(x, [33, 35]), weight, false, true),
  },
  {
    name: "bias and ReLU",
    x: [5, 40],
    weight: [40, 34],
    compute: (x, weight) =>
      tf.fused.matMul({ a: x as tf.Tensor2D, b: weight as tf.Tensor2D, bias: bias(34), activation: "relu" }),
  },
  {
    name: "a stack of products",
    x: [4, 9, 33],
    weight: [4 * 33, 10],
    compute: (x, weight) => tf.matMul(x, tf.reshape(weight, [4, 33, 10])),
  },
  {
    name: "a stack of products with one transposed weight",
    x: [4, 9, 33],
    weight: [1, 10, 33],
    compute: (x, weight) => tf.matMul(x, weight, false, true),
  },
  {
    name: "a 3 × 3 convolution",
    x: [2, 9, 8, 5],
    weight: [3, 3, 5, 7],
    compute: (x, weight) => tf.conv2d(x as tf.Tensor4D, weight as tf.Tensor4D, 1, 1),
  },
  {
    name: "a convolution with strides, bias and ReLU",
    x: [2, 11, 9, 3],
    weight: [3, 2, 3, 34],
    compute: (x, weight) =>
      tf.fused.conv2d({
        x: x as tf.Tensor4D,
        filter: weight as tf.Tensor4D,
        strides: [2, 3],
        pad: "same",
        bias: bias(34),
        activation: "relu",
      }),
  },
  {
    name: "a dilated convolution",
    x: [1, 12, 12, 4],
    weight: [3, 3, 4, 6],
    compute: (x, weight) => tf.conv2d(x as tf.Tensor4D, weight as tf.Tensor4D, 1, "valid", "NHWC", [2, 3]),
  },
  {
    name: "thirds of a joint matrix",
    x: [6, 12],
    weight: [36, 12],
    compute: (x, weight) => tf.split(weight, 3).map((own) => tf.matMul(x, own, false, true)),
  },
  {
    name: "some rows of a matrix",
    x: [6, 12],
    weight: [36, 12],
    compute: (x, weight) => tf.matMul(x, tf.slice(weight, [5, 0], [7, 12]), false, true),
  },
  {
    name: "rows of a table, which alone are widened",
    x: [3, 12],
    weight: [36, 12],
    compute: (x, weight) => tf.add(x, tf.gather(weight, tf.tensor1d([4, 0, 35], "int32"))),
  },
  {
    name: "columns, which part a pair",
    x: [36, 3],
    weight: [36, 12],
    compute: (x, weight) => tf.add(x, tf.slice(weight, [0, 1], [36, 3])),
    widens: 1,
  },
  {
    name: "a product whose activation the shader lacks",
    x: [5, 40],
    weight: [40, 34],
    compute: (x, weight) =>
      tf.fused.matMul({ a: x as tf.Tensor2D, b: weight as tf.Tensor2D, bias: bias(34), activation: "elu" }),
    widens: 1,
  },
  {
    name: "as the first operand",
    x: [40, 3],
    weight: [34, 40],
    compute: (x, weight) => tf.matMul(weight, x),
    widens: 1,
  },
];

interface Inspected {
  readonly bufferManager: { acquireBuffer(size: number, ...rest: unknown[]): GPUBuffer };
}

/** Counts from now on the buffers of so many bytes that are asked for. @returns how many, and counts no more */
function buffersOf(bytes: number): () => number {
  const { bufferManager } = tf.backend() as unknown as Inspected;
  const spy = vi.spyOn(bufferManager, "acquireBuffer");
  return () => {
    const count = spy.mock.calls.filter(([size]) => size === bytes).length;
    spy.mockRestore();
    return count;
  };
}

describe.runIf(forced)("on webgpu", () => {
  const webgpu = webgpuBackend();
  beforeAll(() => webgpu.activate());
  afterAll(() => webgpu.dispose?.());

  const bytesOnDevice = async () => {
    // Buffers of what was disposed of are given back once the commands before are sent.
    const sum = tf.tidy(() => tf.sum(tf.ones([2048])));
    await sum.data();
    sum.dispose();
    return (tf.memory() as tf.backend_util.MemoryInfo & { numBytesInGPU: number }).numBytesInGPU;
  };

  test.each(cases)("$name", async ({ x: xShape, weight: shape, compute, widens = 0 }) => {
    const values = tensorValues("weight", shape);
    const before = tf.memory().numTensors;
    const [x, weight] = [tf.tensor(tensorValues("x", xShape), xShape), frozenWeight(values, shape, "float16")];
    // The halves as they are read back, computed with in float32: the products themselves lose nothing.
    const rounded = (await weight.data()) as Float32Array;
    expectAllClose(rounded, values, { rtol: 2 ** -11, atol: 2 ** -28, label: "halves" });
    expect(rounded).not.toEqual(values);
    const wide = tf.tensor(rounded, shape);
    const run = (own: tf.Tensor) => tf.tidy(() => [compute(x, own)].flat());
    const expected = run(wide);
    const actual = run(weight);
    for (const [i, tensor] of actual.entries()) {
      expect(tensor.shape).toEqual(expected[i]!.shape);
      expectAllClose(await tensor.data(), await expected[i]!.data(), { rtol: 1e-5, atol: 1e-5, label: "output" });
    }
    const widened = buffersOf(4 * weight.size);
    tf.dispose(run(weight));
    expect(widened()).toBe(widens);
    tf.dispose([x, weight, wide, actual, expected]);
    expect(tf.memory().numTensors).toBe(before);
  });

  test("takes half of the bytes, and none after it is disposed of", async () => {
    const shape = [256, 512];
    const before = await bytesOnDevice();
    const weight = frozenWeight(tensorValues("weight", shape), shape, "float16");
    expect((await bytesOnDevice()) - before).toBe(2 * 256 * 512);
    const x = tf.ones([4, 256]);
    tf.matMul(x, weight).dispose();
    tf.dispose([x, weight]);
    expect(await bytesOnDevice()).toBe(before);
  });
});

// On the TensorFlow that was set up, where asked for (VILLA_TEST_CUDA=1): what the repaired kernels add to tfjs-node, and
// life with workers. Ops and models run on it in the other suites.
import * as tf from "@tensorflow/tfjs-core";
import { plainCpuBackend } from "@villa/core";
import { expectAllClose, tensorValues } from "@villa/testing";
import { stepTraffic } from "@villa/testing/step-traffic";
import { describe, expect, test } from "vitest";
import { createTaskPool, cudaBackend } from "../src/index.ts";

type Shape4 = [number, number, number, number];
const tensor = (name: string, shape: number[]) => tf.tensor(tensorValues(name, shape), shape);

describe.runIf(process.env.VILLA_TEST_CUDA === "1")("TensorFlow", () => {
  const layouts = [
    { strides: [1, 1], pad: 1, dilations: [1, 1] },
    { strides: [2, 2], pad: "same", dilations: [1, 1] },
    { strides: [2, 2], pad: [[0, 0], [2, 1], [0, 2], [0, 0]], dilations: [1, 1] }, // biome-ignore format: one layout a line
  ];

  async function compare(name: string, shapes: Record<string, number[]>, attrs: object): Promise<void> {
    const results: Float32Array[] = [];
    for (const candidate of [cudaBackend(), plainCpuBackend()]) {
      await candidate.activate();
      const before = tf.memory().numTensors;
      const values = tf.tidy(() => {
        const inputs = Object.fromEntries(Object.entries(shapes).map(([key, shape]) => [key, tensor(key, shape)]));
        const y: tf.Tensor = tf.engine().runKernel(name, inputs, attrs as tf.NamedAttrMap);
        return y.dataSync<"float32">();
      });
      expect(tf.memory().numTensors).toBe(before);
      results.push(values);
    }
    expectAllClose(results[0]!, results[1]!, { rtol: 1e-4, atol: 1e-5, label: name });
  }

  test.each(layouts)("convolutions and their gradients with $strides $pad", async (layout) => {
    const x: Shape4 = [2, 9, 8, 3];
    for (const [depthwise, filter] of [
      [false, [3, 3, 3, 4]],
      [true, [3, 3, 3, 2]],
    ] as [boolean, Shape4][]) {
      const { strides, dilations, pad } = layout as {
        strides: [number, number];
        dilations: [number, number];
        pad: number;
      };
      const info = tf.backend_util.computeConv2DInfo(x, filter, strides, dilations, pad, undefined, depthwise);
      const dy = info.outShape;
      const attrs = { ...layout, dataFormat: "NHWC", inputShape: x, filterShape: filter };
      const name = depthwise ? "DepthwiseConv2dNative" : "Conv2D";
      await compare(name, { x, filter }, attrs);
      await compare(`${name}BackpropFilter`, { x, dy }, attrs);
      await compare(`${name}BackpropInput`, { dy, filter }, attrs);
      const bias = [dy[3]];
      await compare(
        depthwise ? "FusedDepthwiseConv2D" : "FusedConv2D",
        { x, filter, bias },
        { ...attrs, activation: "relu" },
      );
    }
  });

  test("has every kernel that a gradient of gather and top-k needs, on every Node", async () => {
    await cudaBackend().activate();
    const table = tensor("table", [5, 3]);
    const gradient = tf.grad((x) => tf.sum(tf.gather(x, tf.tensor1d([1, 1, 4], "int32"))))(table);
    expect([...gradient.dataSync()]).toEqual([0, 0, 0, 2, 2, 2, 0, 0, 0, 0, 0, 0, 1, 1, 1]);
    const { values, indices } = tf.topk(tf.tensor1d([3, 1, 2]), 2); // goes through util.isNullOrUndefined
    expect([...values.dataSync(), ...indices.dataSync()]).toEqual([3, 2, 0, 2]);
  });

  test("gathers along any axis and in batches, as the plain CPU backend does", async () => {
    const gathered: Float32Array[][] = [];
    for (const candidate of [cudaBackend(), plainCpuBackend()]) {
      await candidate.activate();
      const x = tensor("x", [2, 4, 3]);
      const results = [
        tf.gather(x, tf.tensor2d([[1, 0]], [1, 2], "int32")),
        tf.gather(x, tf.tensor1d([2, 2, 0], "int32"), 1),
        tf.gather(x, tf.tensor1d([2, 0], "int32"), -1),
        tf.gather(x, tf.tensor2d([0, 3, 1, 1], [2, 2], "int32"), 1, 1),
      ];
      expect(results.map(({ shape }) => shape)).toEqual([[1, 2, 4, 3], [2, 3, 3], [2, 4, 2], [2, 2, 3]]); // biome-ignore format: one thought
      gathered.push(results.map((result) => result.dataSync<"float32">()));
      tf.dispose([x, ...results]);
    }
    expect(gathered[0]).toEqual(gathered[1]);
  });

  test("a gather reads no index back, and refuses one that does not exist", async () => {
    await cudaBackend().activate();
    const table = tensor("table", [5, 3]);
    const computed = tf.add(tf.tensor1d([0, 3], "int32"), tf.scalar(1, "int32"));
    const { reads, blockingReads } = await stepTraffic(tf.engine(), async () => {
      for (const indices of [tf.tensor1d([4, 0, 4], "int32"), computed]) tf.dispose([tf.gather(table, indices)]);
    });
    expect([reads, blockingReads]).toEqual([[], []]);
    for (const wrong of [-1, 5]) {
      const indices = tf.tensor1d([0, wrong], "int32");
      expect(() => tf.gather(table, indices)).toThrow(`the index ${wrong} is not in 0 … 4.`);
      const { isUsingGpuDevice } = tf.backend() as unknown as { isUsingGpuDevice: boolean };
      const onDevice = tf.add(indices, tf.scalar(0, "int32"));
      if (isUsingGpuDevice) expect([...tf.gather(table, onDevice).dataSync()].slice(3)).toEqual([0, 0, 0]);
      else expect(() => tf.gather(table, onDevice)).toThrow(/is not in \[0, 5\)/);
    }
  });

  test("workers have one each, and end", async () => {
    const pool = createTaskPool({ threads: 2, backend: "cuda" });
    const module = new URL("./fixtures-tasks.ts", import.meta.url).href;
    const results = await Promise.all([20, 30, 40].map((size) => pool.run({ module, name: "multiply" }, size)));
    expect(results).toEqual([20, 30, 40].map((size) => ({ backend: "tensorflow", sum: size ** 3 })));
    await pool.close();
  });
});

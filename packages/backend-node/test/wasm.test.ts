import * as tf from "@tensorflow/tfjs-core";
import { plainCpuBackend } from "@villa/core";
import { activateWasm } from "@villa/core/kernels";
import { expectAllClose, tensorValues } from "@villa/testing";
import { expect, test } from "vitest";
import { wasmBackend } from "../src/index.ts";

const tensor = (name: string, shape: number[]) => tf.tensor(tensorValues(name, shape), shape);

/** The kernel's result on the wasm backend and on plain JavaScript. */
async function compare(
  name: string,
  inputs: Record<string, number[]>,
  attrs: tf.NamedAttrMap,
  run = (tensors: tf.NamedTensorMap) => tf.engine().runKernel(name, tensors, attrs) as tf.Tensor,
) {
  const results: Float32Array[] = [];
  for (const candidate of [wasmBackend(), plainCpuBackend()]) {
    await candidate.activate();
    const before = tf.memory().numTensors;
    const values = tf.tidy(() => {
      const tensors = Object.fromEntries(Object.entries(inputs).map(([key, shape]) => [key, tensor(key, shape)]));
      return run(tensors).dataSync() as Float32Array;
    });
    expect(tf.memory().numTensors).toBe(before);
    results.push(values);
  }
  expectAllClose(results[0]!, results[1]!, { rtol: 1e-5, atol: 1e-5, label: name });
}

const layouts = [
  { strides: [1, 1], pad: 1, dilations: [1, 1] },
  { strides: [2, 2], pad: "same", dilations: [1, 1] },
  { strides: [3, 2], pad: [[0, 0], [2, 1], [0, 2], [0, 0]], dilations: [1, 1] }, // biome-ignore format: one layout a line
];

test.each(layouts)("depthwise gradients with $strides $pad $dilations", async (layout) => {
  const x = [2, 9, 8, 3];
  const filter = [3, 3, 3, 2];
  const { outShape } = tf.backend_util.computeConv2DInfo(
    x as [number, number, number, number],
    filter as [number, number, number, number],
    layout.strides as [number, number],
    layout.dilations as [number, number],
    layout.pad as number,
    undefined,
    true,
  );
  const attrs = { ...layout, inputShape: x, filterShape: filter } as unknown as tf.NamedAttrMap;
  await compare("DepthwiseConv2dNativeBackpropFilter", { x, dy: outShape }, attrs);
  await compare("DepthwiseConv2dNativeBackpropInput", { dy: outShape, filter }, attrs);
});

test("depthwise gradients of a dilated convolution are its adjoint", async () => {
  // TF.js's plain kernels ignore the dilation here: ⟨dW, W⟩ = ⟨x * W, dy⟩ = ⟨dx, x⟩ checks without them.
  await wasmBackend().activate();
  const attrs = { strides: [1, 1], pad: "valid", dilations: [2, 2] };
  const [forward, byFilter, byInput] = tf.tidy(() => {
    const x = tensor("x", [2, 9, 8, 3]) as tf.Tensor4D;
    const filter = tensor("filter", [3, 3, 3, 2]) as tf.Tensor4D;
    const y = tf.depthwiseConv2d(x, filter, 1, "valid", "NHWC", 2);
    const dy = tensor("dy", y.shape);
    const gradient = (name: string, inputs: tf.NamedTensorMap, shape: tf.NamedAttrMap) =>
      tf.engine().runKernel(`DepthwiseConv2dNativeBackprop${name}`, inputs, { ...attrs, ...shape }) as tf.Tensor;
    const dot = (a: tf.Tensor, b: tf.Tensor) => tf.sum(tf.mul(a, b)).dataSync()[0]!;
    return [
      dot(y, dy),
      dot(gradient("Filter", { x, dy }, { filterShape: filter.shape }), filter),
      dot(gradient("Input", { dy, filter }, { inputShape: x.shape }), x),
    ];
  });
  expect(byFilter).toBeCloseTo(forward!, 3);
  expect(byInput).toBeCloseTo(forward!, 3);
});

test.each(layouts)("gradients with $strides $pad", async (layout) => {
  const x = [2, 9, 8, 3];
  const filter = [3, 3, 3, 4];
  const { outShape } = tf.backend_util.computeConv2DInfo(
    x as [number, number, number, number],
    filter as [number, number, number, number],
    layout.strides as [number, number],
    1,
    layout.pad as number,
  );
  const attrs = { ...layout, dataFormat: "NHWC", inputShape: x, filterShape: filter } as unknown as tf.NamedAttrMap;
  await compare("Conv2DBackpropFilter", { x, dy: outShape }, attrs);
  await compare("Conv2DBackpropInput", { dy: outShape, filter }, attrs);
});

test.each([
  ["bij,bjk->bik", [3, 4, 5], [3, 5, 6]],
  ["bij,bik->bjk", [3, 4, 5], [3, 4, 6]],
  ["ij,kj->ki", [4, 5], [6, 5]],
  ["ijk,kl->ilj", [3, 4, 5], [5, 6]],
  ["i,j->ij", [4], [5]],
])("einsum %s", async (equation, a, b) => {
  const inputs = { a: a as number[], b: b as number[] };
  await compare("Einsum", inputs, {}, ({ a, b }) => tf.einsum(equation as string, a!, b!));
});

test("the same bits on any number of threads, and beside other values than finite ones", async () => {
  const shapes = [
    { a: [103, 517], b: [517, 77] },
    { a: [3, 40, 130], b: [3, 130, 9] },
    { a: [2, 3, 7, 300], b: [300, 41] },
    { a: [1, 5000], b: [5000, 3] },
  ];
  const compute = () =>
    tf.tidy(() =>
      shapes.flatMap(({ a, b }, index) => {
        const [x, y] = [tensor(`a${index}`, a), tensor(`b${index}`, b)];
        const turned = tf.transpose(x, [...a.keys()].toSpliced(-2, 2, a.length - 1, a.length - 2));
        const odd = tf.log(x); // half of the values are NaN
        return [tf.matMul(x, y), tf.matMul(turned, y, true), tf.matMul(odd, y)].map((z) => z.dataSync());
      }),
    );
  const results: unknown[] = [];
  for (const threads of [1, 3]) {
    tf.removeBackend("wasm");
    await wasmBackend({ threads }).activate();
    results.push(compute());
  }
  expect(results[1]).toEqual(results[0]);
  tf.removeBackend("wasm");
});

test("a full heap is slower, not wrong", async () => {
  const compute = () =>
    tf.tidy(() => {
      const [a, b] = [tensor("full a", [600, 100]), tensor("full b", [100, 300])];
      const image = tf.reshape(a, [1, 20, 30, 100]) as tf.Tensor4D;
      const convolved = tf.conv2d(image, tensor("full filter", [3, 3, 100, 8]) as tf.Tensor4D, 2, 1);
      return [tf.matMul(a, b), tf.relu(convolved), tf.matMul(a, b, false, false)].map(
        (x) => x.dataSync() as Float32Array,
      );
    });
  await plainCpuBackend().activate();
  const expected = compute();
  await wasmBackend().activate();
  tf.removeBackend("wasm");
  await activateWasm({ threads: 1, start: () => () => {}, maximumBytes: 512 << 10 });
  for (const [i, values] of compute().entries()) expectAllClose(values, expected[i]!, { rtol: 1e-4, atol: 1e-3 });
  tf.removeBackend("wasm");
});

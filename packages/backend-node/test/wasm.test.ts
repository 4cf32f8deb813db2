import * as tf from "@tensorflow/tfjs-core";
import { plainCpuBackend } from "@villa/core";
import { isVillaError } from "@villa/data";
import { expectAllClose, tensorValues } from "@villa/testing";
import { expect, test } from "vitest";
import { wasmBackend } from "../src/index.ts";

const tensor = (name: string, shape: number[]) => tf.tensor(tensorValues(name, shape), shape);

/** The kernel's result on the repaired wasm backend and on plain JavaScript. */
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

test("a full memory fails with a sentence", async () => {
  await wasmBackend().activate();
  type Module = { _malloc(bytes: number): number; _free(address: number): void };
  const { wasm } = tf.backend() as unknown as { wasm: Module };
  const most = wasm._malloc(3 * 2 ** 30); // address space only: nothing writes to it
  for (const bytes of [2 ** 30, 2 ** 32]) {
    let error: unknown;
    try {
      wasm._malloc(bytes);
    } catch (caught) {
      error = caught;
    }
    expect(isVillaError(error, "BackendUnavailable")).toBe(true);
    expect((error as Error).message).toMatch(/no room for another (1024|4096) MiB.*smaller batches/);
  }
  wasm._free(most);
  expect(tf.sum(tf.ones([10])).arraySync()).toBe(10);
});

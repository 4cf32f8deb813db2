import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";
import * as tf from "@tensorflow/tfjs-core";
import { expectAllClose, tensorValues } from "@villa/testing";
import { expect, test } from "vitest";
import { nativeBackend, webgpuBackend } from "../src/index.ts";

const forced = process.env.VILLA_TEST_WEBGPU === "1";

test("the probe gives a detail or a reason", async () => {
  const candidate = webgpuBackend();
  const probe = await candidate.probe();
  await candidate.dispose?.();
  expect(probe.available ? probe.detail : probe.reason).toMatch(/\w/);
});

test.runIf(forced)("a process that used WebGPU ends once it is disposed of", () => {
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
  const code = `
    import * as tf from "@tensorflow/tfjs-core";
import { expectAllClose, tensorValues } from "@villa/testing";
    import { useNodeBackend } from ${JSON.stringify(new URL("../src/index.ts", import.meta.url).href)};
    const backend = await useNodeBackend({ name: "webgpu" });
    console.log(backend.name, (await tf.matMul(tf.ones([4, 4]), tf.ones([4, 4])).data())[0]);
    await backend.dispose();
  `;
  const options = ["--import", tsx, "--conditions=@villa/source", "--input-type=module", "--eval", code];
  const cwd = new URL("..", import.meta.url);
  expect(execFileSync(process.execPath, options, { cwd, timeout: 50_000, encoding: "utf8" })).toBe("webgpu 4\n");
});

test.runIf(forced)("an active device can be activated again", async () => {
  const candidate = webgpuBackend();
  expect((await candidate.probe({ forced: true })).available).toBe(true);
  await candidate.activate();
  await candidate.activate();
  const sum = tf.sum(tf.ones([10]));
  expect((await sum.data())[0]).toBe(10);
  await candidate.dispose?.();
});

test.runIf(forced).each([
  { channels: 3, strides: [1, 1], pad: 1, dilations: [1, 1] },
  { channels: 16, strides: [1, 1], pad: 1, dilations: [1, 1] },
  { channels: 20, strides: [2, 2], pad: "same", dilations: [1, 1] },
  { channels: 17, strides: [3, 2], pad: [[0, 0], [2, 1], [0, 2], [0, 0]], dilations: [1, 1] }, // biome-ignore format: one layout a line
  { channels: 16, strides: [1, 1], pad: "valid", dilations: [2, 1] },
])("a filter's gradient of $channels channels with $strides $pad $dilations", async ({ channels, ...layout }) => {
  const x: [number, number, number, number] = [2, 9, 8, channels];
  const filterShape: [number, number, number, number] = [3, 3, channels, 5];
  const { outShape } = tf.backend_util.computeConv2DInfo(
    x,
    filterShape,
    layout.strides as [number, number],
    layout.dilations as [number, number],
    layout.pad as number,
  );
  const attrs = { ...layout, dataFormat: "NHWC", filterShape } as unknown as tf.NamedAttrMap;
  const results: Float32Array[] = [];
  for (const candidate of [nativeBackend(), webgpuBackend()]) {
    await candidate.activate();
    const before = tf.memory().numTensors;
    const gradient = tf.tidy(() => {
      const tensors = { x: tf.tensor(tensorValues("x", x), x), dy: tf.tensor(tensorValues("dy", outShape), outShape) };
      return tf.engine().runKernel("Conv2DBackpropFilter", tensors, attrs) as tf.Tensor;
    });
    results.push((await gradient.data()) as Float32Array);
    gradient.dispose();
    expect(tf.memory().numTensors).toBe(before);
    await candidate.dispose?.();
  }
  expectAllClose(results[1]!, results[0]!, { rtol: 1e-4, atol: 1e-4, label: "dW" });
});

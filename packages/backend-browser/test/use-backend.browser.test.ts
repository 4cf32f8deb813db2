import * as tf from "@tensorflow/tfjs-core";
import { frozenWeight } from "@villa/core";
import { isVillaError } from "@villa/data";
import { testBackends } from "@villa/testing/backends";
import { describe, expect, test } from "vitest";
import { browserBackends, useBrowserBackend } from "../src/index.ts";

test("candidates come in order, and every probe gives a detail or a reason", async () => {
  expect(browserBackends().map(({ name }) => name)).toEqual(["webgpu", "webgl", "wasm", "cpu"]);
  for (const candidate of browserBackends()) {
    const probe = await candidate.probe();
    expect(probe.available ? probe.detail : probe.reason).toMatch(/\w/);
  }
});

test("auto picks one that computes, as in the README", async () => {
  const active = await useBrowserBackend();
  expect(tf.getBackend()).toBe(active.name);
  expect(await tf.matMul(tf.ones([3, 4]), tf.ones([4, 2])).data()).toEqual(Float32Array.from([4, 4, 4, 4, 4, 4]));
});

test.runIf(testBackends().some(({ name }) => name === "webgpu"))("webgpu stores float16 weights", async () => {
  await useBrowserBackend({ name: "webgpu" });
  const weight = frozenWeight(Float32Array.of(0.1, 0.2, 0.3, 0.4, 0.5, 0.6), [3, 2], "float16");
  const product = tf.tidy(() => tf.matMul(tf.ones([1, 3]), weight));
  const values = await product.data();
  expect(Math.abs(values[0]! - 0.9)).toBeLessThan(1e-3);
  expect(Math.abs(values[1]! - 1.2)).toBeLessThan(1e-3);
  expect(values[0]).not.toBe(Math.fround(0.9));
  tf.dispose([weight, product]);
});

test("an unknown backend is refused", async () => {
  const error = await useBrowserBackend({ name: "native" }).catch((e: unknown) => e);
  expect(isVillaError(error, "InvalidArgument")).toBe(true);
});

test.each(testBackends())("products are right whatever textures their factors have, on $name", async ({ name }) => {
  await useBrowserBackend({ name });
  const columnSums = (x: tf.Tensor): Float32Array => {
    const sums = tf.matMul(tf.ones([1, x.shape[0]!]), x as tf.Tensor2D);
    return sums.dataSync() as Float32Array;
  };
  const [actual, factor] = tf.tidy(() => {
    // A texture of the factor's own shape, then one of another shape.
    columnSums(tf.cumsum(tf.ones([5, 8]), 1));
    const rows = tf.cumsum(tf.ones([48, 21]), 1);
    return [columnSums(tf.reshape(rows, [8, 126])), rows.dataSync()] as const;
  });
  const expected = actual.map((_, column) => {
    let sum = 0;
    for (let row = 0; row < 8; row++) sum += factor[row * 126 + column]!;
    return sum;
  });
  expect(actual).toEqual(expected);
});

/** Takes the device of the current backend away. */
const losses: Record<string, (backend: tf.KernelBackend) => void> = {
  webgl: (backend) =>
    (backend as unknown as { gpgpu: { gl: WebGL2RenderingContext } }).gpgpu.gl
      .getExtension("WEBGL_lose_context")!
      .loseContext(),
  webgpu: (backend) => (backend as unknown as { device: { destroy(): void } }).device.destroy(),
};

describe.each(testBackends().filter(({ name }) => name in losses))("$name", ({ name }) => {
  const product = async (): Promise<Float32Array> => {
    const values = tf.tidy(() => tf.matMul(tf.ones([3, 4]), tf.ones([4, 2])));
    return (await values.data()) as Float32Array;
  };
  const six = Float32Array.from([4, 4, 4, 4, 4, 4]);

  test("tells that its device went away, lets nobody wait, and starts anew", async () => {
    const active = await useBrowserBackend({ name });
    expect(await product()).toEqual(six);
    losses[name]!(tf.backend());
    // Void or refused, but not for ever.
    await product().catch(() => undefined);
    expect(await active.lost).toMatch(/the browser lost its WebG/);
    await useBrowserBackend({ name });
    expect(await product()).toEqual(six);
  });

  test("can be used again after it was released", async () => {
    const active = await useBrowserBackend({ name });
    await useBrowserBackend({ name: "cpu" });
    await active.dispose();
    await useBrowserBackend({ name });
    expect(await product()).toEqual(six);
  });
});

import * as tf from "@tensorflow/tfjs-core";
import { isVillaError } from "@villa/data";
import { wasmFiles } from "@villa/testing/backends";
import { expect, test } from "vitest";
import { browserBackends, useBrowserBackend } from "../src/index.ts";

test("candidates come in order, and every probe gives a detail or a reason", async () => {
  expect(browserBackends().map(({ name }) => name)).toEqual(["webgpu", "webgl", "wasm", "cpu"]);
  for (const candidate of browserBackends()) {
    const probe = await candidate.probe();
    expect(probe.available ? probe.detail : probe.reason).toMatch(/\w/);
  }
});

test("auto picks one that computes, as in the README", async () => {
  const active = await useBrowserBackend({ wasmFiles });
  expect(tf.getBackend()).toBe(active.name);
  expect(await tf.matMul(tf.ones([3, 4]), tf.ones([4, 2])).data()).toEqual(Float32Array.from([4, 4, 4, 4, 4, 4]));
});

test("an unknown backend is refused", async () => {
  const error = await useBrowserBackend({ name: "native" }).catch((e: unknown) => e);
  expect(isVillaError(error, "InvalidArgument")).toBe(true);
});

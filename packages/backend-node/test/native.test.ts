import * as tf from "@tensorflow/tfjs-core";
import { expect, test } from "vitest";
import { useNodeBackend } from "../src/index.ts";

test("the native backend multiplies", async () => {
  const active = await useNodeBackend({ name: "native" });
  expect(active.name).toBe("native");
  expect(tf.sum(tf.matMul(tf.ones([70, 3]), tf.ones([3, 50]))).arraySync()).toBe(10500);
});

import * as tf from "@tensorflow/tfjs-core";
import { expectAllClose } from "@villa/testing";
import { testBackends } from "@villa/testing/backends";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { plainCpuBackend } from "../src/index.ts";
import { type ConformanceResult, conformanceCases, finiteDifferenceError, runConformance } from "./conformance.ts";
import { toleranceOf } from "./tolerance.ts";

const expected = new Map<string, ConformanceResult>();

beforeAll(async () => {
  await plainCpuBackend().activate();
  for (const each of conformanceCases) expected.set(each.name, await runConformance(each));
});

describe.each(testBackends())("every op of the models on $name", ({ name, activate }) => {
  let before = 0;
  beforeAll(async () => {
    await activate();
    before = tf.memory().numTensors;
  });
  afterAll(() => expect(tf.memory().numTensors).toBe(before));

  test.each(conformanceCases.map((each) => [each.name, each] as const))("%s", async (_, each) => {
    expect(tf.getBackend()).toBe(name === "cuda" ? "tensorflow" : name);
    const actual = await runConformance(each);
    const reference = expected.get(each.name)!;
    const tolerance = toleranceOf(name);
    expectAllClose(actual.value, reference.value, { ...tolerance, label: "value" });
    for (const [input, gradient] of Object.entries(reference.gradients)) {
      expectAllClose(actual.gradients[input]!, gradient, { ...tolerance, label: `gradient of ${input}` });
    }
    if (each.kinked) return;
    // Float32 values differ by about 1e-7 and are divided by 2ε; curvature adds ε².
    expect(await finiteDifferenceError(each, actual), "finite differences").toBeLessThan(0.02);
  });
});

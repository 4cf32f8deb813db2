import * as tf from "@tensorflow/tfjs-core";
import { RandomState } from "@villa/data";
import { retrievalMetrics } from "@villa/metrics";
import { testBackends } from "@villa/testing/backends";
import { beforeAll, describe, expect, test } from "vitest";
import { backendScores } from "../src/backend-scores.ts";
import { topAttributes, topRegions } from "../src/retrieval-examples.ts";

describe.each(testBackends())("on $name", ({ activate }) => {
  beforeAll(activate);

  test("a block of products equals the definition", async () => {
    const [dimension, random] = [8, new RandomState(3)];
    const attributes = Float32Array.from({ length: 5 * dimension }, () => random.normal());
    const regions = Float32Array.from({ length: 11 * dimension }, () => random.normal());
    const scores = await backendScores({ regions, attributes, dimension })(
      { start: 1, count: 3 },
      { start: 2, count: 7 },
    );
    const expected = Float32Array.from({ length: 3 * 7 }, (_, i) => {
      const [a, r] = [1 + Math.floor(i / 7), 2 + (i % 7)];
      let sum = 0;
      for (let k = 0; k < dimension; k++) sum += attributes[a * dimension + k]! * regions[r * dimension + k]!;
      return sum;
    });
    expect(scores).toHaveLength(21);
    scores.forEach((score, i) => {
      expect(score).toBeCloseTo(expected[i]!, 5);
    });
  });

  test("equal embeddings tie wherever they stand, in blocks of any size, and no tensor is left", async () => {
    // 9000 regions in 1024 dimensions are more than one block: each stands twice, once right and once wrong.
    const dimension = 1024;
    const half = 4501;
    const random = new RandomState(7);
    const own = Float32Array.from({ length: half * dimension }, () => random.normal());
    const regions = new Float32Array(2 * own.length);
    regions.set(own);
    regions.set(own, own.length);
    const attributes = Float32Array.from({ length: 3 * dimension }, () => random.normal());
    const labels = new Uint8Array(2 * half * 3).fill(1, half * 3);
    const embeddings = { regions, attributes, dimension };
    const scores = backendScores(embeddings);
    const before = tf.memory().numTensors;
    const { textToRegion, perAttribute } = await retrievalMetrics({ ...embeddings, labels, ks: [2], scores });
    expect(tf.memory().numTensors).toBe(before);
    expect(textToRegion.at[0]).toEqual({ k: 2, precision: 0.5, recall: 1 / half });
    expect(perAttribute.map((each) => each!.regions)).toEqual([half, half, half]);
  });
});

test("the best regions and attributes come in order of their cosine, with their truth", () => {
  const input = {
    regions: Float32Array.of(1, 0, 0.6, 0.8, 0, 1),
    attributes: Float32Array.of(1, 0, 0, 1),
    labels: Uint8Array.of(1, 0, 0, 1, 1, 1),
    dimension: 2,
  };
  expect(topRegions(input, { attribute: 1, count: 2 })).toEqual([
    { index: 2, score: 1, correct: true },
    { index: 1, score: Math.fround(0.8), correct: true },
  ]);
  expect(topAttributes(input, { region: 1, count: 5 }).map(({ index, correct }) => [index, correct])).toEqual([
    [1, true],
    [0, false],
  ]);
});

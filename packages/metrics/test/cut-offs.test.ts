import { describe, expect, test } from "vitest";
import { imageTextRetrieval, phraseGrounding, rankRows, retrievalMetrics, topKAccuracy } from "../src/index.ts";

const scores = Float32Array.of(0.5, 0.1);
const box = [0, 0, 1, 1] as const;
const measures: Record<string, (ks: number[]) => unknown> = {
  retrievalMetrics: (ks) =>
    retrievalMetrics({
      regions: Float32Array.of(1, 0),
      attributes: Float32Array.of(1, 0),
      dimension: 2,
      labels: Uint8Array.of(1),
      ks,
    }),
  rankRows: (ks) => rankRows({ scores, labels: Uint8Array.of(1, 0), columns: 2, ks }),
  imageTextRetrieval: (ks) => imageTextRetrieval({ images: 1, imageOf: [0, 0], scores, ks }),
  topKAccuracy: (ks) => topKAccuracy({ scores, labels: [0], classes: 2, ks }),
  phraseGrounding: (ks) => phraseGrounding([{ boxes: [box], scores: [1], truth: [box] }], { protocol: "any-box", ks }),
};

describe.each(Object.entries(measures))("%s", (_, measure) => {
  test.each([[0], [-1], [2.5], [Number.NaN]])("refuses the cut-off %s, which no ranking has", async (k) => {
    await expect(async () => measure([1, k])).rejects.toMatchObject({ code: "InvalidArgument" });
  });

  test("takes a cut-off beyond the ranking's end", async () => {
    await measure([1, 100]);
  });
});

import { expect, test } from "vitest";
import { buildSplit } from "../src/index.ts";

test("uncertain mentions become labels of no example where the vocabulary omits them", () => {
  const row = {
    imageSize: [10, 10],
    imageFilepath: "a",
    regionCoord: [[0, 0, 5, 5]],
    numRegions: 1,
    split: "train",
  } as const;
  const annotations = [
    { ...row, imageId: 0, text: "", attributes: ["edema"], uncertainAttributes: ["nodule"] },
    { ...row, imageId: 1, text: "", attributes: [], uncertainAttributes: [] },
  ] as const;
  const options = { split: "train", annotations, attributes: ["edema", "nodule"], dimension: 2 };
  const regions = () => Float32Array.of(1, 0);
  expect([...buildSplit({ ...options, regions, omitUncertain: true }).data.labels]).toEqual([1, 2, 0, 0]);
  expect([...buildSplit({ ...options, regions }).data.labels]).toEqual([1, 0, 0, 0]);
});

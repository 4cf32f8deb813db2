import type { Box } from "@villa/data";
import { golden } from "@villa/testing";
import { expect, test } from "vitest";
import { type GroundingQuery, nonMaximumSuppression, phraseGrounding } from "../src/index.ts";

interface GroundingResult {
  readonly recall: readonly number[];
  readonly meanIou: number;
}

/** Values of torchvision, by `tools/golden/boxes.py`. */
interface BoxesGolden {
  readonly suppression: readonly {
    readonly boxes: readonly Box[];
    readonly scores: readonly number[];
    readonly categories: readonly number[];
    readonly threshold: number;
    readonly kept: readonly number[];
    readonly keptByCategory: readonly number[];
  }[];
  readonly grounding: readonly {
    readonly queries: readonly GroundingQuery[];
    readonly anyBox: GroundingResult;
    readonly mergedBoxes: GroundingResult;
  }[];
}

const cases = golden().json<BoxesGolden>("boxes.json");

test.each(cases.suppression)("torchvision's nms at $threshold", ({ categories, kept, keptByCategory, ...input }) => {
  expect(nonMaximumSuppression(input)).toEqual(kept);
  expect(nonMaximumSuppression({ ...input, categories })).toEqual(keptByCategory);
});

test.each(cases.grounding)("phrases found as by torchvision's box_iou", ({ queries, ...expected }) => {
  for (const [protocol, { recall, meanIou }] of [
    ["any-box", expected.anyBox],
    ["merged-boxes", expected.mergedBoxes],
  ] as const) {
    const result = phraseGrounding(queries, { protocol });
    expect(result.recall.map((each) => each.recall)).toEqual(recall.map((value) => expect.closeTo(value, 12)));
    expect(result.meanIou).toBeCloseTo(meanIou, 12);
  }
});

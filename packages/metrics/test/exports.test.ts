import { expect, test } from "vitest";
import * as main from "../src/index.ts";

test("what the package exports", () => {
  expect(Object.keys(main).sort()).toMatchInlineSnapshot(`
    [
      "auroc",
      "balancedSample",
      "bootstrap",
      "bootstrapSamples",
      "boxIou",
      "categorySplits",
      "cocoEvaluation",
      "cocoNumberNames",
      "decodeRle",
      "encodeRle",
      "formatRleString",
      "lvisEvaluation",
      "lvisNumberNames",
      "nonMaximumSuppression",
      "pairedBootstrap",
      "parseRleString",
      "polygonsRle",
      "rleArea",
      "rleBox",
      "topKAccuracy",
    ]
  `);
});

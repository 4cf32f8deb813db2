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
      "contrastToNoise",
      "decodeRle",
      "encodeRle",
      "fineGrainedAccuracy",
      "formatRleString",
      "hardNegatives",
      "imageTextRetrieval",
      "lvisEvaluation",
      "lvisNumberNames",
      "nonMaximumSuppression",
      "pairedBootstrap",
      "parseRleString",
      "phraseGrounding",
      "pointingGame",
      "polygonsRle",
      "rleArea",
      "rleBox",
      "topKAccuracy",
    ]
  `);
});

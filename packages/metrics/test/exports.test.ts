import { expect, test } from "vitest";
import * as main from "../src/index.ts";

test("what the package exports", () => {
  expect(Object.keys(main).sort()).toMatchInlineSnapshot(`
    [
      "addCounts",
      "auroc",
      "balancedSample",
      "bootstrap",
      "boxIou",
      "boxWarnings",
      "categorySplits",
      "cocoEvaluation",
      "cocoNumberNames",
      "contrastToNoise",
      "countMapping",
      "decodeRle",
      "detectionMistakes",
      "encodeRle",
      "fineGrainedAccuracy",
      "formatRleString",
      "hardNegatives",
      "imageTextRetrieval",
      "lvisEvaluation",
      "lvisNumberNames",
      "mappingMetrics",
      "metricsFromCounts",
      "noCounts",
      "nonMaximumSuppression",
      "pairedBootstrap",
      "parseRleString",
      "phraseGrounding",
      "pointingGame",
      "polygonsRle",
      "rankRows",
      "retrievalMetrics",
      "rleArea",
      "rleBox",
      "sampleMeasure",
      "topKAccuracy",
    ]
  `);
});

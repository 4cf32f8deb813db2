import { expect, it } from "vitest";
import * as core from "../src/index.ts";
import * as node from "../src/node.ts";

it("exports nothing by accident", () => {
  expect(Object.keys(core).sort()).toMatchInlineSnapshot(`
    [
      "Adam",
      "AdamW",
      "EarlyStopping",
      "ReduceLROnPlateau",
      "activateRepairedWasm",
      "avgPool2d",
      "batchNormInference",
      "batchNormTrain",
      "captureRun",
      "contrastiveMicroBatch",
      "conv2d",
      "editDistance",
      "epochBatches",
      "hasFused",
      "infoNCE",
      "l2Normalize",
      "linear",
      "logSumExp",
      "lossAndGradients",
      "nearestName",
      "parameterGradients",
      "plainCpuBackend",
      "prepareRoiAlign",
      "probeBackends",
      "readTensor",
      "resolveConfig",
      "restoreRun",
      "restoreVariables",
      "roiAlign",
      "roiAxisWeights",
      "runFused",
      "stepsPerEpoch",
      "sumRows",
      "toTensor",
      "trainLoop",
      "useBackend",
    ]
  `);
  expect(Object.keys(node).sort()).toMatchInlineSnapshot(`
    [
      "folderCheckpoints",
      "jsonlMetrics",
      "loadCheckpoint",
      "readCheckpointExtra",
      "readMetrics",
      "resolveConfigFiles",
      "saveCheckpoint",
    ]
  `);
});

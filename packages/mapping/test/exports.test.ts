import { expect, test } from "vitest";
import * as main from "../src/index.ts";
import * as node from "../src/node.ts";

test("exports what is documented", () => {
  expect({ main: Object.keys(main).sort(), node: Object.keys(node).sort() }).toMatchInlineSnapshot(`
    {
      "main": [
        "assignRegions",
        "attributeLoss",
        "buildSplit",
        "checkMappingData",
        "chooseEpsilon",
        "chooseEpsilonPerAttribute",
        "defaultEpsilon",
        "epochBatches",
        "epsilonSweep",
        "excludeWithinGroups",
        "headParameters",
        "initialHead",
        "makeBatch",
        "makeModel",
        "mapRegions",
        "mappingReport",
        "mappingRows",
        "modelFromStateDict",
        "modelStateDict",
        "regionTexts",
        "regionsWithin",
        "scoreRegions",
        "shardOf",
        "stage1Config",
        "stage1Experiments",
        "stage1Schema",
        "summarizeHistory",
        "trainHeads",
        "trainMapping",
        "trainOptions",
      ],
      "node": [
        "headFile",
        "headSource",
        "loadHeadState",
        "loadSplits",
        "mappingTasks",
        "mergeShards",
        "openModel",
        "runMapping",
        "runStage1",
        "saveHeadState",
        "stage1Files",
        "writeTorchModel",
      ],
    }
  `);
});

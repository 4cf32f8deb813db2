import { expect, it } from "vitest";
import * as main from "../src/index.ts";
import * as node from "../src/node.ts";

it("exports what is documented", () => {
  expect({ main: Object.keys(main).sort(), node: Object.keys(node).sort() }).toMatchInlineSnapshot(`
    {
      "main": [
        "ImageFileEncoder",
        "attributeVocabulary",
        "cellSize",
        "chooseAttributes",
        "docMnistAttributes",
        "encodePng",
        "generateDocMnist",
        "glyphDigits",
        "glyphSource",
        "imageFilepath",
        "montage",
        "parseDigits",
        "parseIdx",
        "renderSample",
        "sampleAnnotation",
        "streamDocMnist",
      ],
      "node": [
        "digestDataset",
        "downloadMnist",
        "loadMnist",
        "mnistFiles",
        "mnistMirrors",
        "registerDocmnist",
        "registerVisualize",
        "runDocmnist",
        "visualizeDataset",
        "writeDataset",
      ],
    }
  `);
});

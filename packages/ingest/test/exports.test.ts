import { expect, test } from "vitest";
import * as main from "../src/index.ts";
import * as node from "../src/node.ts";

test("what the package exports", () => {
  expect({ main: Object.keys(main).sort(), node: Object.keys(node).sort() }).toMatchInlineSnapshot(`
    {
      "main": [
        "defaultTemplates",
        "fitBox",
        "parseAttributeFile",
        "parseRegionRule",
        "parseRow",
        "ruledRegions",
        "tableVocabulary",
      ],
      "node": [
        "describeProblem",
        "hashSplit",
        "ingestTable",
        "mineAttributes",
        "minedFile",
        "parseSplitShares",
        "pictureToPng",
        "problemsFile",
        "readPicture",
        "sourcesFile",
        "storeImage",
        "writeTarShard",
      ],
    }
  `);
});

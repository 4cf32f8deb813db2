import { readMappings, writeAnnotations } from "@villa/data";
import { expect, test } from "vitest";
import { mappingRows } from "../src/index.ts";

const image = {
  imageId: 4,
  imageSize: [84, 84],
  imageFilepath: "images/4.npz",
  regionCoord: [
    [0, 0, 28, 28],
    [28, 0, 56, 28],
  ],
  numRegions: 2,
  split: "val",
  text: "the color is red . the number is a seven . there is a blue image",
  attributes: ["seven", "red", "blue"],
} as const;

test("regions get names in the annotation's order, and a sentence for each", async () => {
  const rows = mappingRows([image], [[[0, 2], []]], { attributes: ["red", "blue", "seven"], seed: 23 });
  expect(rows).toEqual([
    {
      ...image,
      assignedAttributes: [["seven", "red"], []],
      assignedText: ["the number is a seven . the color is red", ""],
    },
  ]);
  expect(await readMappings(await writeAnnotations(rows))).toEqual(rows);
});

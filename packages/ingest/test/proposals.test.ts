import type { Box, RgbImage } from "@villa/data";
import { openDataset } from "@villa/data/node";
import { expect, test } from "vitest";
import { parseRegionRule } from "../src/index.ts";
import type { Proposer } from "../src/node.ts";
import { proposalRecall } from "../src/regions.ts";
import { TestFolder } from "./folder.ts";

const row = { text: "a mug", attributes: ["mug"] };

test("a pyramid has grids of several sizes", async () => {
  const folder = await TestFolder.make();
  await folder.ingest(await folder.jsonl([{ ...row, image: "a.png" }]), { regions: "pyramid:1-3" });
  const { annotations } = await openDataset(folder.file("data"));
  expect(annotations[0]!.regionCoord).toHaveLength(1 + 4 + 9);
  expect(annotations[0]!.regionCoord.slice(0, 3)).toEqual([
    [0, 0, 40, 30],
    [0, 0, 20, 15],
    [20, 0, 40, 15],
  ]);
  expect(parseRegionRule("pyramid:4")).toEqual({ kind: "pyramid", levels: [4] });
  for (const bad of ["pyramid:0", "pyramid:3-2", "pyramid:1-20", "pyramid:99"]) {
    expect(() => parseRegionRule(bad)).toThrow("is not a pyramid of 1 to 400 regions");
  }
});

test("the recall of proposals is counted over the rows that have boxes", async () => {
  expect(proposalRecall([[0, 0, 10, 10]], [[0, 0, 10, 6]])).toEqual({ boxes: 1, found50: 1, found75: 0 });
  const folder = await TestFolder.make();
  const boxes = [
    [0, 0, 20, 15],
    [21, 1, 40, 15],
    [18, 10, 22, 14],
  ];
  const table = await folder.jsonl([
    { ...row, image: "a.png", boxes },
    { ...row, image: "b.png" },
  ]);
  const result = await folder.ingest(table, { regions: "pyramid:1-2" });
  expect(result).toMatchObject({ regions: 3 + 5, recall: { boxes: 3, found50: 2, found75: 2 } });
  expect(await folder.ingest(table, { out: folder.file("grid") })).toMatchObject({ recall: undefined });
});

test("a proposer sees the stored picture, and its boxes are those of the dataset", async () => {
  const folder = await TestFolder.make();
  const seen: RgbImage[] = [];
  const proposer = (identity: string, found: readonly Box[]): Proposer => ({
    identity,
    async propose(image) {
      seen.push(image);
      return found;
    },
  });
  const table = await folder.jsonl([
    { ...row, image: "a.png" },
    { ...row, image: "b.png", boxes: [[0, 0, 40, 30]] },
  ]);
  const options = { proposer: proposer("one", [[2, 3, 10, 12]]), image: { maxSide: 20 } };
  const result = await folder.ingest(table, options);
  expect(seen.map(({ width, height }) => [width, height])).toEqual([
    [20, 15],
    [20, 15],
  ]);
  expect(result.recall).toEqual({ boxes: 1, found50: 0, found75: 0 });
  const { annotations } = await openDataset(folder.file("data"));
  expect(annotations.map(({ regionCoord }) => regionCoord)).toEqual([[[2, 3, 10, 12]], [[0, 0, 20, 15]]]);
  await expect(folder.ingest(table, { ...options, proposer: proposer("other", []) })).rejects.toThrow("regions");
  const none = folder.ingest(table, { proposer: proposer("none", []), out: folder.file("none") });
  await expect(none).rejects.toThrow("row 0 (a.png): it has no boxes, and the detector finds none in it");
});

import { readFile } from "node:fs/promises";
import { openDataset } from "@villa/data/node";
import { expect, test } from "vitest";
import { type DatasetRow, writeDataset } from "../src/node.ts";
import { TestFolder } from "./folder.ts";

test("a program's rows become a dataset; what is wrong with one is listed", async () => {
  const folder = await TestFolder.make();
  const bytes = await readFile(folder.file("images", "b.png"));
  let open = 0;
  async function* rows(): AsyncGenerator<DatasetRow> {
    open++;
    try {
      yield { image: "a.png", text: "A red mug, 3.5 cm. No lid.", boxes: [[0, 0, 10, 10]], split: "train", id: 7 };
      yield { image: bytes, text: ["a lid", "red"], boxes: [{ box: [0, 0, 5, 5], attributes: ["lid"] }], group: "p" };
      yield { image: "none.png", text: "a lid" };
      yield 5 as unknown as DatasetRow;
    } finally {
      open--;
    }
  }
  const options = { out: folder.file("data"), images: folder.file("images"), attributes: ["red", "lid"] };
  await expect(writeDataset(rows(), options)).rejects.toThrow(/2 rows of what writeDataset was given.*row 2.*row 3/s);
  // What that run has left is no dataset, and makes room.
  const result = await writeDataset(rows(), { ...options, skipBad: true });
  expect(open).toBe(0);
  expect(result).toMatchObject({ rows: 4, images: 2, regions: 2, skippedRows: 2, directory: folder.file("data") });
  const { annotations } = await openDataset(folder.file("data"));
  expect(annotations).toMatchObject([
    { sentences: ["A red mug, 3.5 cm", "No lid"], attributes: ["red"], regionCoord: [[0, 0, 10, 10]], split: "train" },
    { sentences: ["a lid", "red"], attributes: ["red", "lid"], regToAttr: [["lid"]] },
  ]);
  await expect(writeDataset(rows(), { ...options, skipBad: true })).rejects.toMatchObject({ code: "AlreadyExists" });
  await writeDataset([{ image: "a.png", text: "red" }], { ...options, overwrite: true });
  expect((await openDataset(folder.file("data"))).annotations).toHaveLength(1);
});

test("what the rows throw goes through", async () => {
  const folder = await TestFolder.make();
  async function* rows(): AsyncGenerator<DatasetRow> {
    yield { image: "a.png", text: "red" };
    throw new Error("my own");
  }
  const options = { out: folder.file("data"), images: folder.file("images"), attributes: { groups: [] } };
  await expect(writeDataset(rows(), { ...options, attributes: ["red"] })).rejects.toThrow("my own");
  await expect(writeDataset(rows(), options)).rejects.toMatchObject({ code: "InvalidFile" });
});

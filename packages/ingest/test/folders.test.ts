import { copyFile, mkdir, readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { openDataset } from "@villa/data/node";
import { expect, test } from "vitest";
import { blank, TestFolder } from "./folder.ts";

const tars = fileURLToPath(new URL("../../../tools/testing/fixtures/webdataset", import.meta.url));

async function rowsOf(folder: TestFolder) {
  const { annotations } = await openDataset(folder.file("data"));
  return annotations.map(({ imageId, sentences, attributes, regionCoord, regToAttr, split }) => {
    return { imageId, sentences, attributes, regions: regionCoord.length, regToAttr, split };
  });
}

test("WebDataset's tars, as the Python package writes them", async () => {
  const folder = await TestFolder.make();
  const attributes = await folder.attributes(["red", "lid", "blue lid"]);
  const options = { attributes, images: undefined, regions: "full" };
  await expect(folder.ingest(tars, options)).rejects.toThrow(
    /4 rows .*"0004" has no picture.*JSON of the sample "0005" is not valid.*text is empty.*0007.ppm/s,
  );
  const result = await folder.ingest(tars, { ...options, skipBad: true });
  expect(result).toMatchObject({ rows: 7, images: 3, skippedRows: 4 });
  expect(await rowsOf(folder)).toMatchObject([
    { imageId: 0, sentences: ["A red mug"], attributes: ["red"], regions: 1, split: "train" },
    { imageId: 1, sentences: ["No lid", "Red, 3.5 cm"], attributes: ["red"] },
    { imageId: 2, sentences: ["blue lid"], attributes: ["blue lid"] },
  ]);
  const dataset = await openDataset(folder.file("data"));
  expect((await dataset.readImage(dataset.annotations[2]!)).data[0]).toBe(200); // not seg.png's 1
  await folder.ingest(`${tars}/shard-000000.tar`, { ...options, out: folder.file("one") });
  expect((await openDataset(folder.file("one"))).annotations).toHaveLength(3);
});

test("a tar that is cut short is refused", async () => {
  const folder = await TestFolder.make();
  const whole = await readFile(`${tars}/shard-000000.tar`);
  const table = await folder.write("cut.tar", whole.subarray(0, 1400));
  await expect(folder.ingest(table, { images: undefined })).rejects.toMatchObject({
    code: "InvalidFile",
    message: expect.stringContaining("cut.tar cannot be read as a tar"),
  });
});

test("Hugging Face's imagefolder with metadata: splits, captions and objects", async () => {
  const folder = await TestFolder.make();
  for (const part of ["train", "validation"]) {
    await mkdir(folder.file("hub", part), { recursive: true });
    await blank([1, 2, 3]).toFile(folder.file("hub", part, "a.png"));
  }
  const objects = { bbox: [[1, 2, 20, 20]], categories: ["lid"] };
  const lines = [
    { file_name: "a.png", text: "A red lid. 3.5 cm", objects },
    { file_name: "missing.png", text: "x" },
    { text: "no name" },
  ];
  await folder.jsonl(lines, "hub/train/metadata.jsonl");
  await folder.write("hub/validation/metadata.csv", "file_name,text\na.png,a lid\n");
  const options = { attributes: await folder.attributes(["red", "lid"]), images: undefined, skipBad: true };
  const result = await folder.ingest(folder.file("hub"), options);
  expect(result.problems).toMatchObject([
    { row: 1, problem: expect.stringContaining("there is no such file") },
    { row: 2, problem: "it has no file_name" },
  ]);
  expect(await rowsOf(folder)).toMatchObject([
    {
      imageId: 0,
      sentences: ["A red lid", "3.5 cm"],
      attributes: ["red", "lid"],
      regToAttr: [["lid"]],
      split: "train",
    },
    { imageId: 3, sentences: ["a lid"], regions: 9, split: "val" },
  ]);
});

test("Hugging Face's imagefolder with a folder a class", async () => {
  const folder = await TestFolder.make();
  for (const path of ["train/red_mug", "test/lid", "train"]) await mkdir(folder.file("hub", path), { recursive: true });
  for (const path of ["train/red_mug/1.png", "test/lid/2.png", "train/stray.png"]) {
    await copyFile(folder.file("images", "a.png"), folder.file("hub", path));
  }
  const result = await folder.ingest(folder.file("hub"), { images: undefined, skipBad: true });
  expect(result.problems).toMatchObject([
    { problem: expect.stringContaining("stray.png lies in no folder of a class") },
  ]);
  expect(await rowsOf(folder)).toMatchObject([
    { sentences: ["lid"], attributes: ["lid"], split: "test" },
    { sentences: ["red mug"], attributes: ["red mug"], split: "train" },
  ]);
  await mkdir(folder.file("empty"));
  await expect(folder.ingest(folder.file("empty"), { images: undefined })).rejects.toThrow(
    "holds neither pictures nor",
  );
});

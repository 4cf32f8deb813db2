import { existsSync, readFileSync } from "node:fs";
import { openDataset } from "@villa/data/node";
import { describe, expect, test } from "vitest";
import { blank, TestFolder } from "./folder.ts";

const good = { image: "a.png", text: "red", attributes: ["red"] };

describe.each([
  ["an image that is missing", { ...good, image: "nowhere.png" }, /image cannot be read: there is no such file/],
  ["an image that is a folder", { ...good, image: "." }, /image cannot be read: it is not a file/],
  ["an image that is cut short", { ...good, image: "short.jpg" }, /image cannot be read/],
  [
    "a Git LFS pointer in place of an image",
    { ...good, image: "pointer.png" },
    /image cannot be read: it is not an image, but a Git LFS pointer.*git lfs pull/,
  ],
  ["an image that is none", { ...good, image: "words.png" }, /image cannot be read/],
  ["an image outside of the folder", { ...good, image: "sub/../../table.jsonl" }, /outside of --images/],
  ["no image", { text: "red", attributes: ["red"], image: null }, /names no image/],
  ["an empty text", { ...good, text: " . \n" }, /text is empty/],
  [
    "a box outside of its image",
    { ...good, boxes: [[0, 0, 50, 20]] },
    /box 0, \[0, 0, 50, 20\], reaches outside of its 40 × 30/,
  ],
  ["an empty box", { ...good, boxes: [[5, 5, 5, 9]] }, /box 0, \[5, 5, 5, 9\], is empty/],
  ["a box of three numbers", { ...good, boxes: [[5, 5, 9]] }, /box 0 is not four numbers/],
  [
    "attributes of other regions",
    { ...good, boxes: [[5, 5, 9, 9]], region_attributes: [[], []] },
    /1 boxes but attributes of 2/,
  ],
  ["an id that another row has", { ...good, id: "first" }, /id "first" is that of row 0 too/],
  ["no attributes", { image: "a.png", text: "red" }, /no attributes; give --attributes/],
])("%s", (_, bad, message) => {
  test("stops, listing the row; --skip-bad leaves it out", async () => {
    const folder = await TestFolder.make();
    await folder.write("images/words.png", "these are words");
    await folder.write(
      "images/pointer.png",
      "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n",
    );
    const jpeg = await blank([9, 9, 9]).jpeg().toBuffer();
    await folder.write("images/short.jpg", jpeg.subarray(0, jpeg.length - 200));
    const table = await folder.jsonl([{ ...good, id: "first" }, bad, { ...good, image: "c.png" }]);
    const stopped = folder.ingest(table);
    await expect(stopped).rejects.toMatchObject({
      code: "InvalidFile",
      message: expect.stringMatching(/--skip-bad:\n {2}row 1/),
    });
    await expect(stopped).rejects.toThrow(message);
    expect(existsSync(folder.file("data/annotations.feather"))).toBe(false);
    expect(readFileSync(folder.file("data/problems.jsonl"), "utf8").trim().split("\n")).toHaveLength(1);

    const result = await folder.ingest(table, { skipBad: true });
    expect(result).toMatchObject({ rows: 3, images: 2, skippedRows: 1, problems: [{ row: 1 }] });
    const { annotations } = await openDataset(folder.file("data"));
    expect(annotations.map(({ imageId }) => imageId)).toEqual([0, 2]);
  });
});

test("a line that is not JSON is a bad row", async () => {
  const folder = await TestFolder.make();
  const table = await folder.write("table.jsonl", `${JSON.stringify(good)}\n{"image": "b.png",\n`);
  await expect(folder.ingest(table)).rejects.toThrow("row 1: it is not valid JSON");
});

test("an attribute that the file of attributes lacks is a bad row; one that no text has is named", async () => {
  const folder = await TestFolder.make();
  const attributes = await folder.attributes(["red", "green"]);
  const rows = [good, { image: "b.png", text: "red" }];
  await expect(
    folder.ingest(await folder.jsonl([...rows, { ...good, attributes: ["teal"] }]), { attributes }),
  ).rejects.toThrow('its attribute "teal" is not in the file of attributes');
  const split = [["train", 1]] as const;
  const result = await folder.ingest(await folder.jsonl(rows), { attributes, split, overwrite: true });
  expect(result.neverSeen).toEqual(["green"]);
});

test("mended images are picked up by the same call; other settings are refused", async () => {
  const folder = await TestFolder.make(["a.png"]);
  const table = await folder.jsonl([good, { ...good, image: "b.png" }]);
  await expect(folder.ingest(table)).rejects.toThrow("row 1 (b.png)");
  await blank([1, 1, 1]).toFile(folder.file("images/b.png"));
  expect(await folder.ingest(table)).toMatchObject({ images: 2 });
  expect(existsSync(folder.file("data/problems.jsonl"))).toBe(false);
  expect(await folder.ingest(table)).toMatchObject({ images: 2, rows: 2 });
  await expect(folder.ingest(table, { seed: 5 })).rejects.toThrow(/other settings \(seed\)/);
  await expect(folder.ingest(table, { seed: 5, overwrite: true })).resolves.toMatchObject({ images: 2 });
});

test("a dataset of another version is named as such", async () => {
  const folder = await TestFolder.make();
  const table = await folder.jsonl([good]);
  await folder.ingest(table);
  const manifest = JSON.parse(readFileSync(folder.file("data/ingest.json"), "utf8"));
  await folder.write("data/ingest.json", JSON.stringify({ ...manifest, format: 1 }));
  await expect(folder.ingest(table)).rejects.toThrow("another version of villa ingest");
  expect(await folder.ingest(table, { overwrite: true })).toMatchObject({ images: 1 });
});

test("a folder of something else is never replaced", async () => {
  const folder = await TestFolder.make();
  const table = await folder.jsonl([good]);
  for (const overwrite of [false, true]) {
    await expect(folder.ingest(table, { out: folder.file("images"), overwrite })).rejects.toMatchObject({
      code: "AlreadyExists",
    });
  }
  expect(existsSync(folder.file("images/a.png"))).toBe(true);
});

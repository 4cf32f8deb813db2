import { readFileSync } from "node:fs";
import { openDataset } from "@villa/data/node";
import { expect, test } from "vitest";
import { TestFolder } from "./folder.ts";

test("COCO: boxes, categories as the truth about regions, captions", async () => {
  const folder = await TestFolder.make();
  const table = await folder.write(
    "coco.json",
    JSON.stringify({
      images: [
        { id: 7, file_name: "a.png", caption: "A red mug.", patient: "p" },
        { id: 9, file_name: "b.png", patient: "p" },
      ],
      annotations: [
        { image_id: 7, bbox: [1.4, 2, 19, 20.5], category_id: 2 },
        { image_id: 9, bbox: [0, 0, 10, 10], category_id: 1, attributes: ["red"] },
        { image_id: 9, caption: "A lid." },
        { image_id: 9, caption: "red" },
      ],
      categories: [
        { id: 1, name: "lid" },
        { id: 2, name: "mug" },
      ],
    }),
  );
  const result = await folder.ingest(table, { columns: { group: "patient" }, boxFormat: "xywh" });
  const { annotations, vocabulary } = await openDataset(folder.file("data"));
  expect(annotations).toMatchObject([
    { text: "A red mug", regionCoord: [[1, 2, 21, 23]], regToAttr: [["mug"]], attributes: ["mug"] },
    { text: "A lid . red", regionCoord: [[0, 0, 10, 10]], regToAttr: [["lid", "red"]], attributes: ["lid", "red"] },
  ]);
  expect(vocabulary.groups[0]!.attributes).toEqual(["mug", "lid", "red"]);
  expect(annotations[0]!.split).toBe(annotations[1]!.split);
  expect(result).toMatchObject({ images: 2, regions: 2, rows: 2, complete: true });
});

const image = { id: 1, file_name: "a.png", text: "a mug" };
const box = { id: 5, image_id: 1, bbox: [1, 2, 10, 10], category_id: 1 };
const mug = { id: 1, name: "mug" };

async function write(folder: TestFolder, images: object[], annotations: object[], categories: object[] = [mug]) {
  return folder.write("coco.json", JSON.stringify({ images, annotations, categories }));
}

test.each([
  ["another size", { width: 80, height: 60 }, "the table says 80 × 60 pixels, but the picture has 40 × 30"],
  [
    "its sides swapped",
    { width: 30, height: 40 },
    "the table says 30 × 40 pixels, but the picture has 40 × 30; if its boxes count in the picture turned as its EXIF orientation says, give --auto-orient",
  ],
])("a picture of %s is refused with both sizes", async (_, size, message) => {
  const folder = await TestFolder.make();
  const table = await write(folder, [{ ...image, ...size }], [box]);
  await expect(folder.ingest(table)).rejects.toThrow(new RegExp(`row 0 \\(a.png\\): ${message}$`));
});

test("--auto-orient is checked against the sizes too", async () => {
  const folder = await TestFolder.make([]);
  const { blank } = await import("./folder.ts");
  await blank([9, 9, 9]).withMetadata({ orientation: 6 }).jpeg().toFile(folder.file("images/a.png"));
  const turned = await write(folder, [{ ...image, width: 30, height: 40 }], [box]);
  expect(await folder.ingest(turned, { image: { autoOrient: true, maxSide: 20 } })).toMatchObject({ images: 1 });
  const straight = await write(folder, [{ ...image, width: 40, height: 30 }], [box]);
  await expect(folder.ingest(straight, { image: { autoOrient: true }, overwrite: true })).rejects.toThrow(
    "but the picture has 30 × 40; its boxes count in the picture as it lies in the file: leave out --auto-orient",
  );
});

test("sizes of 0, null or none say nothing", async () => {
  const folder = await TestFolder.make();
  const images = [image, { ...image, id: 2, width: 0, height: 0 }, { ...image, id: 3, width: null, height: null }];
  const annotations = images.map(({ id }) => ({ ...box, image_id: id }));
  expect(await folder.ingest(await write(folder, images, annotations))).toMatchObject({ images: 3 });
});

test("images that share an id are all left out: nothing tells whose the boxes are", async () => {
  const folder = await TestFolder.make();
  const images = [image, { ...image, file_name: "b.png" }, { ...image, id: 2, file_name: "c.png" }];
  const table = await write(folder, images, [box, { ...box, image_id: 2 }]);
  await expect(folder.ingest(table)).rejects.toThrow(
    /row 0: its id "1" is that of row 1 too, so nothing tells .*\n {2}row 1: its id "1" is that of row 0 too/,
  );
  await folder.ingest(table, { skipBad: true });
  const { annotations } = await openDataset(folder.file("data"));
  expect(annotations).toMatchObject([{ imageId: 2, regionCoord: [[1, 2, 11, 12]] }]);
});

test("an id is the same as a number and as a text", async () => {
  const folder = await TestFolder.make();
  const annotations = [box, { ...box, category_id: "1" }, { ...box, image_id: "1" }];
  await folder.ingest(await write(folder, [image], annotations));
  const dataset = await openDataset(folder.file("data"));
  expect(dataset.annotations[0]!.regToAttr).toEqual([["mug"], ["mug"], ["mug"]]);
});

test("ids above 2^53 keep their digits", async () => {
  const folder = await TestFolder.make();
  const [first, second] = ["1610521604143693812", "1610521604143693813"];
  const text = JSON.stringify({
    images: [
      { ...image, id: "first" },
      { ...image, id: "second", file_name: "b.png" },
    ],
    annotations: [
      { ...box, image_id: "first" },
      { ...box, image_id: "second", bbox: [3, 3, 5, 5] },
    ],
    categories: [mug],
  });
  const table = await folder.write("coco.json", text.replaceAll('"first"', first!).replaceAll('"second"', second!));
  await folder.ingest(table);
  const dataset = await openDataset(folder.file("data"));
  expect(dataset.annotations.map(({ regionCoord }) => regionCoord)).toEqual([[[1, 2, 11, 12]], [[3, 3, 8, 8]]]);
});

test.each([
  [
    "a category that is not there",
    { category_id: 9 },
    'row 0 (a.png): annotation 6 has the category "9", which is not in the file',
  ],
  ["no category", { category_id: null }, "row 0 (a.png): annotation 6 has neither a category_id nor attributes"],
  ["the height 0", { bbox: [3.5, 4, 10, 0] }, "row 0 (a.png): annotation 6, bbox [3.5, 4, 10, 0], has the height 0"],
  ["a width below 0", { bbox: [3, 4, -2, 5] }, "row 0 (a.png): annotation 6, bbox [3, 4, -2, 5], has the width -2"],
  ["three numbers", { bbox: [3, 4, 2] }, "row 0 (a.png): the bbox of annotation 6 is not four numbers"],
  ["no box", { bbox: undefined }, "row 0 (a.png): annotation 6 has neither a bbox, a segmentation nor a caption"],
  [
    "a box outside",
    { bbox: [30, 4, 20, 5] },
    "row 0 (a.png): annotation 6, bbox [30, 4, 20, 5], reaches outside of its 40 × 30 pixels (--clip-boxes cuts it off)",
  ],
])(
  "an annotation with %s is a bad box: --skip-bad leaves it out, and the image where none remains",
  async (_, wrong, message) => {
    const folder = await TestFolder.make();
    const images = [image, { ...image, id: 2, file_name: "b.png" }];
    const bad = { ...box, id: 6, ...wrong };
    const table = await write(folder, images, [bad, box, { ...bad, image_id: 2 }, { ...box, image_id: 1 }]);
    const stopped = folder.ingest(table);
    await expect(stopped).rejects.toThrow(message);
    await expect(stopped).rejects.toThrow(/^1 row and 1 box of /);
    const result = await folder.ingest(table, { skipBad: true });
    expect(result).toMatchObject({ images: 1, regions: 2, skippedRows: 1, skippedBoxes: 1 });
    const dataset = await openDataset(folder.file("data"));
    const kept = [1, 2, 11, 12];
    expect(dataset.annotations).toMatchObject([
      { imageId: 0, regionCoord: [kept, kept], regToAttr: [["mug"], ["mug"]] },
    ]);
    expect(readFileSync(folder.file("data/problems.jsonl"), "utf8").trim().split("\n")).toHaveLength(2);
  },
);

test("annotations of images that are not there are named, one image a line", async () => {
  const folder = await TestFolder.make();
  const annotations = [
    box,
    { ...box, id: 7, image_id: 99 },
    { ...box, id: 8, image_id: 99 },
    { ...box, id: 9, image_id: null },
  ];
  const table = await write(folder, [image], annotations);
  await expect(folder.ingest(table)).rejects.toThrow(
    /row 1: annotation 7 and 1 more belong to the image 99, which is not in the file\n {2}row 2: annotation 9 belongs to no image: no image_id/,
  );
  expect(await folder.ingest(table, { skipBad: true })).toMatchObject({ images: 1, regions: 1, skippedRows: 2 });
});

test.each([
  ["without a name", [{ id: 1 }], /The category with the id 1 of .*coco.json has no name\./],
  ["without an id", [{ name: "mug" }], /Category 0 \(from 0\) of .*coco.json has no id\./],
  ["that share an id", [mug, { id: "1", name: "lid" }], /has two categories with the id 1\./],
])("categories %s are refused", async (_, categories, message) => {
  const folder = await TestFolder.make();
  await expect(folder.ingest(await write(folder, [image], [box], categories))).rejects.toThrow(message);
});

test("boxes without any categories are regions of which no truth is known", async () => {
  const folder = await TestFolder.make();
  const table = await write(folder, [image], [{ ...box, category_id: undefined }], []);
  await folder.ingest(table, { attributes: await folder.attributes(["mug"]) });
  const dataset = await openDataset(folder.file("data"));
  expect(dataset.annotations[0]).toMatchObject({ regionCoord: [[1, 2, 11, 12]], attributes: ["mug"] });
  expect(dataset.annotations[0]!.regToAttr).toBeUndefined();
});

test.each([
  ["groups", { groups: [objects(), colours()] }, ["red", "blue"]],
  ["a plain list", ["mug", "lid", "red", "blue"], ["red", "blue"]],
  ["groups that say so", { groups: [objects(), colours()], without_truth: ["objects", "red"] }, ["mug", "lid", "red"]],
  ["groups that say there are none", { groups: [objects(), colours()], without_truth: [] }, undefined],
])("categories are no truth about what they do not name: %s", async (_, attributes, withoutTruth) => {
  const folder = await TestFolder.make();
  const categories = [mug, { id: 2, name: "lid" }];
  const boxes = [box, { ...box, id: 6, category_id: 2 }];
  const table = await write(folder, [{ ...image, text: "a red mug and a blue lid" }], boxes, categories);
  const file = await folder.write("attributes.json", JSON.stringify(attributes));
  const { truthNote, hasTruth } = await folder.ingest(table, { attributes: file });
  const { vocabulary } = await openDataset(folder.file("data"));
  expect(vocabulary.withoutTruth).toEqual(withoutTruth);
  expect(hasTruth).toBe(withoutTruth === undefined);
  if (withoutTruth?.length === 2)
    expect(truthNote).toMatch(/^Left out of every measure, .*: (the group colours|red, blue)\.$/);
});

function objects() {
  return { name: "objects", attributes: ["mug", "lid"] };
}

function colours() {
  return { name: "colours", attributes: ["red", "blue"] };
}

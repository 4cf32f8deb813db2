import { openDataset } from "@villa/data/node";
import { describe, expect, test } from "vitest";
import { blank, TestFolder } from "./folder.ts";

type Coco = Readonly<Record<"images" | "annotations" | "categories", readonly object[]>>;

const image = { id: 1, file_name: "a.png", width: 40, height: 30, caption: "a mug" };
const box = { id: 5, image_id: 1, bbox: [1, 2, 10, 12], category_id: 1 };
const mug = { id: 1, name: "mug" };

async function ingest(coco: Partial<Coco>, options: Parameters<TestFolder["ingest"]>[1] = {}) {
  const folder = await TestFolder.make();
  const whole = { images: [image], annotations: [box], categories: [mug], ...coco };
  const result = await folder.ingest(await folder.write("coco.json", JSON.stringify(whole)), options);
  return { result, ...(await openDataset(folder.file("data"))) };
}

describe("references within a COCO file", () => {
  const second = { ...image, file_name: "b.png" };
  test.each([
    ["two images of one id", { images: [image, second] }, /row 0: its id 1 is that of 2 images \(a\.png, b\.png\)/],
    ["an id as a word beside the same as a number", { images: [image, { ...second, id: "1" }] }, /of 2 images/],
    [
      "an annotation of an image that is not there",
      { annotations: [box, { ...box, id: 6, image_id: 9 }, { ...box, id: 7, image_id: 8 }] },
      /annotation 6 belongs to image 9, which the file does not list \(and 1 more of the kind\)/,
    ],
    [
      "a category that is not there",
      { annotations: [{ ...box, category_id: 4 }] },
      /row 0: annotation 5 is of category 4, which the file does not list/,
    ],
    ["a category without a name", { categories: [{ id: 1 }] }, /the category 1 has no name/],
    ["two categories of one id", { categories: [mug, { id: 1, name: "lid" }] }, /"mug" and "lid" share the id 1/],
  ])("%s is named", async (_, coco, message) => {
    const stopped = ingest(coco);
    await expect(stopped).rejects.toMatchObject({ code: "InvalidFile" });
    await expect(stopped).rejects.toThrow(message);
  });

  test("ids are compared by their digits, of any length", async () => {
    const big = "1610521604143693812";
    const { annotations } = await ingest({ annotations: [{ ...box, category_id: "1" }] });
    expect(annotations[0]!.regToAttr).toEqual([["mug"]]);
    const folder = await TestFolder.make();
    const text = JSON.stringify({
      images: [image, { ...image, id: 2, file_name: "b.png" }],
      annotations: [box, { ...box, image_id: 2, bbox: [0, 0, 5, 5] }],
      categories: [mug],
    });
    // Two ids that are one as doubles.
    const exact = text.replaceAll('_id":1,', `_id":${big},`).replaceAll('_id":2,', `_id":${big.replace(/2$/, "3")},`);
    const table = exact
      .replace('"id":1,"file', `"id":${big},"file`)
      .replace('"id":2,"file', `"id":${big.replace(/2$/, "3")},"file`);
    await folder.ingest(await folder.write("big.json", table.replaceAll(`category_id":${big}`, 'category_id":1')));
    const found = (await openDataset(folder.file("data"))).annotations;
    expect(found.map(({ regionCoord }) => regionCoord)).toEqual([[[1, 2, 11, 14]], [[0, 0, 5, 5]]]);
  });

  test("--skip-bad gives nobody another image's boxes", async () => {
    const third = { ...image, id: 3, file_name: "c.png" };
    const { result, annotations } = await ingest(
      { images: [image, second, third], annotations: [box, { ...box, image_id: 3 }] },
      { skipBad: true },
    );
    expect(result).toMatchObject({ images: 1, skippedRows: 2 });
    expect(annotations.map(({ imageId }) => imageId)).toEqual([2]);
  });
});

describe("a size that the table tells", () => {
  test("has to be the picture's", async () => {
    await expect(ingest({ images: [{ ...image, width: 80, height: 60 }] })).rejects.toThrow(
      "row 0 (a.png): the table says 80 × 60 pixels, the image has 40 × 30",
    );
    await expect(ingest({ images: [{ ...image, width: 30, height: 40 }] })).rejects.toThrow(
      /says 30 × 40 pixels, the image has 40 × 30 \(--auto-orient turns photos/,
    );
  });

  test("is that of the turned picture with --auto-orient", async () => {
    const folder = await TestFolder.make([]);
    await blank([1, 2, 3]).withMetadata({ orientation: 6 }).jpeg().toFile(folder.file("images/a.jpg"));
    const coco = { images: [{ ...image, file_name: "a.jpg" }], annotations: [box], categories: [mug] };
    const turned = { ...coco, images: [{ ...coco.images[0], width: 30, height: 40 }] };
    const oriented = { image: { autoOrient: true } };
    const [stored, table] = [
      await folder.write("stored.json", JSON.stringify(coco)),
      await folder.write("turned.json", JSON.stringify(turned)),
    ];
    await expect(folder.ingest(stored, oriented)).rejects.toThrow(/without --auto-orient/);
    expect(await folder.ingest(table, { ...oriented, overwrite: true })).toMatchObject({ images: 1 });
  });
});

test("a degenerate box is named as the file has it; --skip-bad drops it, and the image with its last one", async () => {
  const flat = { id: 6, image_id: 1, bbox: [3, 4, 5, 0], category_id: 1 };
  const outside = { id: 7, image_id: 1, bbox: [30, 4, 50, 9], category_id: 1 };
  await expect(ingest({ annotations: [box, flat] })).rejects.toThrow(
    "row 0: bbox of annotation 6, [3, 4, 5, 0], has the height 0; boxes are left, top, width, height",
  );
  const { result, annotations } = await ingest({ annotations: [flat, box, outside] }, { skipBad: true });
  expect(result).toMatchObject({ images: 1, regions: 1, skippedRows: 0, droppedBoxes: 2 });
  expect(result.problems).toMatchObject([
    { row: 0, box: true, problem: expect.stringContaining("has the height 0") },
    { row: 0, box: true, problem: expect.stringContaining("reaches outside") },
  ]);
  expect(annotations[0]).toMatchObject({ regionCoord: [[1, 2, 11, 14]], regToAttr: [["mug"]] });
  const images = [image, { ...image, id: 2, file_name: "b.png" }];
  const alone = await ingest({ images, annotations: [flat, { ...box, image_id: 2 }] }, { skipBad: true });
  expect(alone.result).toMatchObject({ images: 1, skippedRows: 1, droppedBoxes: 0 });
});

test("NaN and Git LFS pointers are named", async () => {
  const folder = await TestFolder.make();
  const nan = await folder.write("nan.json", '{"images": [{"id": 1, "file_name": "a.png", "area": NaN}]}');
  await expect(folder.ingest(nan)).rejects.toThrow(/holds NaN, which JSON does not have/);
  const pointer = await folder.write("lfs.json", "version https://git-lfs.github.com/spec/v1\noid sha256:1\nsize 3\n");
  await expect(folder.ingest(pointer)).rejects.toThrow(/Git LFS pointer.*git lfs pull/);
});

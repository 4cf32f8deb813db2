import { copyFile, mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { decodeRle, formatRleString, type ImageAnnotation, regionMasks, rleArea, rleBox } from "@villa/data";
import { openDataset } from "@villa/data/node";
import { fixturesDirectory } from "@villa/testing";
import { beforeAll, describe, expect, test } from "vitest";
import { writeDataset } from "../src/node.ts";
import { TestFolder } from "./folder.ts";

const fixtures = join(fixturesDirectory, "masks");

/** What pycocotools says of a region. */
interface Expected {
  readonly name: string;
  readonly counts: string;
  readonly bbox: readonly [number, number, number, number];
  readonly area: number;
}
let expected: Expected[];
let instances: {
  images: object[];
  annotations: { id: number; segmentation: unknown; bbox?: number[] }[];
  categories: object[];
};
beforeAll(async () => {
  const json = async (name: string) => JSON.parse(await readFile(join(fixtures, name), "utf8"));
  expected = (await json("expected.json")).regions;
  instances = await json("instances.json");
});

const corners = ({ bbox: [x, y, width, height] }: Expected) => [x, y, x + width, y + height];

async function picture(): Promise<TestFolder> {
  const folder = await TestFolder.make([]);
  const names = ["picture", "leaf", "coin", "ring", "labels", "labels-palette", "labels-16"].map(
    (name) => `${name}.png`,
  );
  for (const name of names) await copyFile(join(fixtures, name), folder.file("images", name));
  return folder;
}

async function only(folder: TestFolder): Promise<ImageAnnotation> {
  const { annotations } = await openDataset(folder.file("data"));
  expect(annotations).toHaveLength(1);
  return annotations[0]!;
}

const row = { image: "picture.png", text: "a leaf, a coin and a ring", attributes: ["leaf"] };

describe("masks are stored with the dataset as pycocotools has them", () => {
  test("from COCO's polygons, run lengths and compressed run lengths; boxes follow from them", async () => {
    const folder = await picture();
    await folder.ingest(join(fixtures, "instances.json"));
    const { regionMasks: masks, regionCoord, regToAttr } = await only(folder);
    expect(masks).toEqual(expected.map(({ counts }) => counts));
    expect(regionCoord).toEqual([corners(expected[0]!), [3, 2, 18, 17], corners(expected[2]!)]);
    expect(regToAttr).toEqual([["leaf"], ["coin"], ["ring"]]);
  });

  test.each(["labels.png", "labels-palette.png", "labels-16.png"])("from the label map %s", async (label_map) => {
    const folder = await picture();
    const factor = label_map === "labels-16.png" ? 7 : 1;
    const region_attributes = { [3 * factor]: ["leaf"], [255 * factor]: ["ring", "metal"] };
    await folder.ingest(await folder.jsonl([{ ...row, label_map, region_attributes }]));
    const { regionMasks: masks, regionCoord, regToAttr } = await only(folder);
    expect(masks).toEqual(expected.map(({ counts }) => counts));
    expect(regionCoord).toEqual(expected.map(corners));
    expect(regToAttr).toEqual([["leaf"], [], ["ring", "metal"]]);
  });

  test.each([
    ["a list", ["leaf.png", "coin.png", "ring.png"]],
    ["a cell", "leaf.png; coin.png; ring.png"],
  ])("from one PNG a region, in %s", async (_, masks) => {
    const folder = await picture();
    await folder.ingest(await folder.jsonl([{ ...row, masks }]));
    expect((await only(folder)).regionMasks).toEqual(expected.map(({ counts }) => counts));
  });

  test("from a program's rows, as paths and as run lengths", async () => {
    const folder = await picture();
    const [, coin] = expected;
    const masks = ["leaf.png", { size: [30, 40] as const, counts: coin!.counts }, null];
    const boxes = [corners(expected[0]!), corners(coin!), [0, 0, 5, 5]] as [number, number, number, number][];
    const options = { out: folder.file("data"), images: folder.file("images") };
    await writeDataset([{ ...row, boxes, masks }], options);
    expect((await only(folder)).regionMasks).toEqual([expected[0]!.counts, coin!.counts, null]);
    await writeDataset([{ ...row, label_map: "labels.png" }], { ...options, overwrite: true });
    expect((await only(folder)).regionMasks).toEqual(expected.map(({ counts }) => counts));
  });

  test("from imagefolder: PNGs beside its metadata, and COCO's segmentation among its objects", async () => {
    const folder = await picture();
    await mkdir(folder.file("images", "train"));
    for (const name of ["picture.png", "leaf.png", "coin.png"]) {
      await copyFile(join(fixtures, name), folder.file("images", "train", name));
    }
    const path = folder.file("images", "train", "metadata.jsonl");
    const ingested = async (own: object) => {
      await writeFile(path, JSON.stringify({ file_name: "picture.png", text: row.text, attributes: ["leaf"], ...own }));
      await folder.ingest(folder.file("images"), { images: undefined, overwrite: true });
      return (await only(folder)).regionMasks;
    };
    const two = expected.slice(0, 2).map(({ counts }) => counts);
    expect(await ingested({ masks: ["leaf.png", "coin.png"] })).toEqual(two);
    expect(await ingested({ masks: "leaf.png; coin.png" })).toEqual(two);
    const segmentation = instances.annotations.slice(0, 2).map((each) => each.segmentation);
    const bbox = expected.slice(0, 2).map((each) => each.bbox);
    expect(await ingested({ objects: { bbox, categories: ["leaf", "coin"], segmentation } })).toEqual(two);
  });

  test("beside boxes, for some of the regions", async () => {
    const folder = await picture();
    const boxes = [[0, 0, 5, 5], { mask: "leaf.png", attributes: ["leaf"] }];
    await folder.ingest(
      await folder.jsonl([
        { ...row, boxes },
        { ...row, boxes: [[0, 0, 9, 9]] },
      ]),
    );
    const { annotations } = await openDataset(folder.file("data"));
    expect(annotations[0]).toMatchObject({ regionMasks: [null, expected[0]!.counts] });
    expect(annotations[0]!.regionCoord).toEqual([[0, 0, 5, 5], corners(expected[0]!)]);
    expect(annotations[1]!.regionMasks).toBeUndefined();
  });

  test("scaled with the picture, never to nothing", async () => {
    const folder = await picture();
    const dot = [[20.1, 10.1, 20.9, 10.1, 20.9, 10.9, 20.1, 10.9]];
    const masks = ["coin.png", dot, [[0, 0, 40, 0, 40, 1, 0, 1]]];
    await folder.ingest(await folder.jsonl([{ ...row, masks }]), { image: { maxSide: 20 } });
    const read = await only(folder);
    expect(read.imageSize).toEqual([15, 20]);
    const [coin, , line] = regionMasks(read)!;
    expect(rleArea(coin!)).toBeGreaterThan(129 / 4 - 5);
    expect(rleArea(coin!)).toBeLessThan(129 / 4 + 5);
    for (const [i, mask] of regionMasks(read)!.entries()) {
      const [x, y, width, height] = rleBox(mask!);
      const [x0, y0, x1, y1] = read.regionCoord[i]!;
      expect(x >= x0 && y >= y0 && x + width <= x1 && y + height <= y1).toBe(true);
      expect(rleArea(mask!)).toBeGreaterThan(0);
    }
    expect(decodeRle(line!).subarray(0, 20).every(Boolean)).toBe(true);
  });
});

describe("a mask that cannot be used is named", () => {
  test.each([
    [
      "size",
      { size: [30, 41], counts: [1230] },
      "the mask of region 1 cannot be used: the mask is 30 × 41, but its image 30 × 40",
    ],
    ["run lengths", { size: [30, 40], counts: [7] }, "the runs of a mask of 30 × 40 add up to 7 pixels, not 1200"],
    ["place", [[50, 50, 60, 50, 60, 60]], "it has no pixel in the picture"],
    ["polygon", [[1, 2, 3]], "A polygon is a list x, y, x, y, … of at least two points"],
    ["form", 7, "it is not an object"],
    ["file", "absent.png", "there is no file"],
    ["folder", "../secret.png", "its file lies outside of --images"],
    ["kind of file", "notes.txt", "the label map is not a PNG"],
    ["size of file", "small.png", "it has 4 × 4 pixels, but its picture has 40 × 30"],
  ])("by its %s", async (_, mask, message) => {
    const folder = await picture();
    await writeFile(folder.file("images", "notes.txt"), "a mask");
    const { default: sharp } = await import("sharp");
    await sharp({ create: { width: 4, height: 4, channels: 3, background: "white" } }).toFile(
      folder.file("images", "small.png"),
    );
    const table = await folder.jsonl([{ ...row, masks: ["leaf.png", mask], region_attributes: [["leaf"], ["coin"]] }]);
    await expect(folder.ingest(table)).rejects.toThrow(
      new RegExp(`1 box .*${message.replace(/[()[\]]/g, "\\$&")}`, "is"),
    );
    const result = await folder.ingest(table, { skipBad: true });
    expect(result).toMatchObject({ images: 1, regions: 1, skippedBoxes: 1 });
    expect(await only(folder)).toMatchObject({ regionMasks: [expected[0]!.counts], regToAttr: [["leaf"]] });
  });

  test.each([
    [
      "both a label map and masks",
      { label_map: "labels.png", masks: ["leaf.png"] },
      "both a label map and boxes or masks",
    ],
    [
      "fewer masks than boxes",
      {
        boxes: [
          [0, 0, 5, 5],
          [0, 0, 9, 9],
        ],
        masks: ["leaf.png"],
      },
      "it has 2 boxes but 1 masks",
    ],
    ["a box that is none beside it", { boxes: ["here"], masks: ["leaf.png"] }, "box 0 is not four numbers"],
    ["a label that is not in the map", { label_map: "labels.png", region_attributes: { 4: ["x"] } }, "has no label 4"],
    ["attributes of labels as a list", { label_map: "labels.png", region_attributes: [["x"]] }, "do not go by label"],
    ["an empty label map", { label_map: "black.png" }, "its label map black.png has no label but 0"],
  ])("where a row has %s", async (_, cells, message) => {
    const folder = await picture();
    const { default: sharp } = await import("sharp");
    await sharp({ create: { width: 40, height: 30, channels: 3, background: "black" } }).toFile(
      folder.file("images", "black.png"),
    );
    await expect(folder.ingest(await folder.jsonl([{ ...row, ...cells }]))).rejects.toThrow(message);
  });

  test("in COCO, by its annotation", async () => {
    const folder = await picture();
    const annotations = instances.annotations.map((annotation) =>
      annotation.id === 3 ? { ...annotation, segmentation: { size: [30, 40], counts: "?" } } : annotation,
    );
    const table = await folder.write("bad.json", JSON.stringify({ ...instances, annotations }));
    await expect(folder.ingest(table)).rejects.toThrow("the mask of annotation 3 cannot be used");
  });
});

test("empty segmentations, as tools write them beside boxes, are none", async () => {
  const folder = await picture();
  const annotations = instances.annotations.map((annotation) => ({
    ...annotation,
    segmentation: [],
    bbox: [1, 1, 5, 5],
  }));
  await folder.ingest(await folder.write("boxes.json", JSON.stringify({ ...instances, annotations })));
  expect((await only(folder)).regionMasks).toBeUndefined();
});

test("masks of a dataset are pycocotools' strings again", async () => {
  const folder = await picture();
  await folder.ingest(join(fixtures, "instances.json"));
  expect(regionMasks(await only(folder))!.map((mask) => formatRleString(mask!))).toEqual(
    expected.map(({ counts }) => counts),
  );
});

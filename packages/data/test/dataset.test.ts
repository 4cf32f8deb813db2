import { execFileSync } from "node:child_process";
import { cpSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { unit } from "@villa/testing";
import { encode as encodePng } from "fast-png";
import { beforeAll, describe, expect, test } from "vitest";
import {
  docMnistVocabulary,
  formatVocabulary,
  type ImageAnnotation,
  writeAnnotations,
  writeSparseCoo,
} from "../src/index.ts";
import { openDataset } from "../src/node.ts";
import { temporaryFolder } from "./temporary.ts";

const folder = temporaryFolder();
const made = join(folder, "original", "docmnist_100_4.0");
const pixels = (id: number): Uint8Array =>
  Uint8Array.from(unit(`dataset:${id}`, 3 * 84 * 84), (value) => Math.max(0, Math.floor(255 * value)));

/** `toEqual` takes a second for an image. */
const expectPixels = (data: Uint8Array, id: number) =>
  expect(Buffer.from(data).equals(pixels(id)), `image ${id}`).toBe(true);

const row = (imageId: number, split: string, imageFilepath: string): ImageAnnotation => ({
  imageId,
  imageSize: [84, 84],
  imageFilepath,
  regionCoord: [[0, 0, 28, 28]],
  numRegions: 1,
  split,
  text: "the color is red",
  attributes: ["zero", "red"],
});
const rows = [row(0, "train", "images/0.npz"), row(1, "train", "images/1.png"), row(2, "val", "images/2.npz")];

async function write(directory: string, annotations: readonly ImageAnnotation[]): Promise<string> {
  mkdirSync(join(directory, "images"), { recursive: true });
  for (const { imageId } of annotations) {
    const data = pixels(imageId);
    const hwc = Uint8Array.from({ length: data.length }, (_, i) => data[(i % 3) * 84 * 84 + Math.floor(i / 3)]!);
    const bytes =
      imageId === 1
        ? encodePng({ width: 84, height: 84, data: hwc, channels: 3, depth: 8 })
        : writeSparseCoo({ dtype: "uint8", shape: [3, 84, 84], data });
    writeFileSync(join(directory, "images", imageId === 1 ? "1.png" : `${imageId}.npz`), bytes);
  }
  writeFileSync(join(directory, "annotations.feather"), await writeAnnotations(annotations));
  return directory;
}

beforeAll(() => write(made, rows).then(() => undefined));

describe("a dataset folder", () => {
  test("knows its splits, rows and vocabulary", async () => {
    const dataset = await openDataset(made);
    expect(dataset.splits).toEqual(["train", "val"]);
    expect(dataset.rows("train")).toEqual(rows.slice(0, 2));
    expect(dataset.rows()).toEqual(rows);
    expect(dataset.rows("test")).toEqual([]);
    expect(dataset.vocabulary).toBe(docMnistVocabulary);
  });

  test("reads images of each kind, one by one or in order", async () => {
    const dataset = await openDataset(made);
    for (const each of rows) {
      const { data, ...rest } = await dataset.readImage(each);
      expect(rest).toEqual({ width: 84, height: 84, channels: 3 });
      expectPixels(data, each.imageId);
    }
    const seen: number[] = [];
    for await (const sample of dataset.samples("train")) {
      expectPixels(sample.image.data, sample.row.imageId);
      seen.push(sample.row.imageId);
    }
    expect(seen).toEqual([0, 1]);
  });

  test("with absolute paths of the machine it was made on works where it is now", async () => {
    const there = join(folder, "elsewhere", "docmnist_100_4.0");
    cpSync(made, there, { recursive: true });
    const paths = [
      "/home/someone/data/docmnist_100_4.0/images/0.npz",
      "D:\\data\\images\\1.png",
      join(made, "images/2.npz"),
    ];
    const absolute = rows.map((each, i) => ({ ...each, imageFilepath: paths[i]! }));
    writeFileSync(join(there, "annotations.feather"), await writeAnnotations(absolute));
    const dataset = await openDataset(there);
    for (const each of dataset.rows()) {
      expect(dataset.imagePath(each).startsWith(there), each.imageFilepath).toBe(true);
      expectPixels((await dataset.readImage(each)).data, each.imageId);
    }
  });

  test("with images elsewhere uses their absolute paths", async () => {
    const there = join(folder, "only-annotations");
    mkdirSync(there);
    const absolute = rows.map((each) => ({ ...each, imageFilepath: join(made, each.imageFilepath) }));
    writeFileSync(join(there, "annotations.feather"), await writeAnnotations(absolute));
    const dataset = await openDataset(there);
    expectPixels((await dataset.readImage(dataset.rows()[2]!)).data, 2);
  });

  describe("does not read outside of its folder", () => {
    const victim = join(folder, "victim");
    const there = join(folder, "stranger");
    const at = (imageFilepath: string) => ({ ...rows[0]!, imageFilepath });
    beforeAll(async () => {
      mkdirSync(victim);
      await write(there, rows);
      cpSync(join(there, "images", "0.npz"), join(victim, "0.npz"));
      symlinkSync(join(victim, "0.npz"), join(there, "images", "link.npz"));
      symlinkSync(victim, join(there, "more"));
      symlinkSync("0.npz", join(there, "images", "inside.npz"));
    });

    test.each([
      ["a relative path", "../victim/0.npz"],
      ["a path that comes back out", "images/../../victim/0.npz"],
      ["backslashes", "..\\victim\\0.npz"],
      ["a linked file", "images/link.npz"],
      ["a linked folder", "more/0.npz"],
    ])("%s", async (_, path) => {
      const dataset = await openDataset(there);
      await expect(dataset.readImage(at(path))).rejects.toMatchObject({
        code: "UnsafeFile",
        message: expect.stringContaining("VILLA_ALLOW_OUTSIDE"),
      });
      expectPixels((await (await openDataset(there, { allowOutside: true })).readImage(at(path))).data, 0);
    });

    test("a link within the folder is followed, an absolute path is not taken for a tail that leaves it", async () => {
      const dataset = await openDataset(there);
      expectPixels((await dataset.readImage(at("images/inside.npz"))).data, 0);
      expect(() => dataset.imagePath(at("/nowhere/../victim/0.npz"))).toThrow(/is not in/);
    });

    test.skipIf(process.platform === "win32")("a pipe in place of an image is refused at once", async () => {
      execFileSync("mkfifo", [join(there, "images", "pipe.npz")]);
      const dataset = await openDataset(there);
      await expect(dataset.readImage(at("images/pipe.npz"))).rejects.toMatchObject({
        code: "FileSystem",
        message: expect.stringContaining("not a regular file"),
      });
    });

    test("a split that is a path is refused", async () => {
      await expect(writeAnnotations([{ ...rows[0]!, split: "../x" }])).rejects.toThrow(/part of a file's name/);
    });
  });

  test("has its own attributes when it says so", async () => {
    const there = await write(join(folder, "custom"), [{ ...rows[0]!, attributes: ["triangle"] }]);
    const vocabulary = { groups: [{ name: "shape", attributes: ["triangle"], templates: ["a {}"] }] };
    await expect(openDataset(there)).rejects.toThrow(/no attributes\.json, and its attribute "triangle"/);
    writeFileSync(join(there, "attributes.json"), formatVocabulary(vocabulary));
    expect((await openDataset(there)).vocabulary).toEqual(vocabulary);
    writeFileSync(join(there, "attributes.json"), "{");
    await expect(openDataset(there)).rejects.toThrow(/custom.attributes\.json: .*not valid JSON/);
  });

  test("reads what Stage 1 assigned", async () => {
    const there = await write(join(folder, "mapped"), rows);
    const dataset = await openDataset(there);
    await expect(dataset.mappings("train")).rejects.toMatchObject({ code: "NotFound" });
    const mapped = [{ ...rows[0]!, assignedAttributes: [["red"]], assignedText: ["the color is red"] }];
    writeFileSync(join(there, "mapping_train.feather"), await writeAnnotations(mapped));
    expect(await dataset.mappings("train")).toEqual(mapped);
  });
});

describe("what is wrong with a folder is said in a sentence that names it", () => {
  test("no folder, no annotations, damaged annotations", async () => {
    const missing = join(folder, "missing");
    await expect(openDataset(missing)).rejects.toMatchObject({
      code: "NotFound",
      message: `There is no dataset folder ${missing}.`,
    });
    await expect(openDataset(folder)).rejects.toMatchObject({
      code: "NotFound",
      message: expect.stringContaining("annotations.feather"),
    });
    const damaged = join(folder, "damaged");
    mkdirSync(damaged);
    writeFileSync(join(damaged, "annotations.feather"), "not a table");
    await expect(openDataset(damaged)).rejects.toMatchObject({
      code: "InvalidFile",
      message: expect.stringMatching(/damaged.annotations\.feather: This is not a Feather/),
    });
  });

  test("missing, damaged and wrongly described images", async () => {
    const there = await write(join(folder, "images-wrong"), rows);
    const dataset = await openDataset(there);
    await expect(dataset.readImage({ ...rows[0]!, imageFilepath: "images/9.npz" })).rejects.toMatchObject({
      code: "NotFound",
      message: expect.stringContaining("images/9.npz"),
    });
    await expect(dataset.readImage({ ...rows[0]!, imageSize: [28, 28] })).rejects.toMatchObject({ code: "Mismatch" });
    writeFileSync(join(there, "images", "0.npz"), "PK\u0003\u0004 and then nothing");
    await expect(dataset.readImage(rows[0]!)).rejects.toMatchObject({
      code: "InvalidFile",
      message: expect.stringMatching(/0\.npz: .*truncated/),
    });
  });
});

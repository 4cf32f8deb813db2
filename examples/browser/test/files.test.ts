import { docMnistVocabulary, formatRleString, writeAnnotations } from "@villa/data";
import { unzipSync, zipSync } from "fflate";
import { describe, expect, test } from "vitest";
import { pictureOf } from "../src/laboratory/dataset.ts";
import { zipDataset } from "../src/laboratory/export-dataset.ts";
import { generateDataset } from "../src/laboratory/generate.ts";
import { importDataset } from "../src/laboratory/import-dataset.ts";
import { Laboratory } from "../src/laboratory/laboratory.ts";
import { withOwnImage } from "../src/laboratory/own-image.ts";
import { parseQuery, queryInWords } from "../src/laboratory/query.ts";

const dataset = generateDataset({
  seed: 3,
  attributeBudget: 40,
  valAttributeBudget: 20,
  targetSampleComplexity: 8,
  colors: ["red", "blue"],
  shapes: ["circle", "none"],
});

describe("datasets as files", () => {
  test("an archive gives back what was put into it", async () => {
    const archive = await zipDataset(dataset);
    const again = await importDataset([{ path: "any.zip", contents: new Blob([archive]) }]);
    expect(again.name).toBe(dataset.name);
    expect(again.rows).toEqual(dataset.rows);
    expect(again.vocabulary).toEqual(dataset.vocabulary);
    expect(await again.readImage(1)).toEqual(await dataset.readImage(1));
    expect(await zipDataset(again)).toEqual(archive);
  });

  test("the original's folders: absolute paths, no attributes.json", async () => {
    const rows = dataset.rows.map((row) => ({ ...row, imageFilepath: `/home/someone/data/set/${row.imageFilepath}` }));
    const files = await Promise.all(
      dataset.rows.map(async ({ imageFilepath }, row) => ({
        path: `set/${imageFilepath}`,
        contents: new Blob([new Uint8Array(await dataset.imageFile(row))]),
      })),
    );
    const annotations = new Blob([new Uint8Array(await writeAnnotations(rows))]);
    const again = await importDataset([...files, { path: "set/annotations.feather", contents: annotations }]);
    expect(again.vocabulary).toEqual(docMnistVocabulary);
    expect(await again.readImage(0)).toEqual(await dataset.readImage(0));
    await expect(importDataset([{ path: "annotations.feather", contents: annotations }])).rejects.toThrow(
      "/images/0.npz of the annotations is not among the files",
    );
  });

  test("regions that have masks are counted; those that are their boxes are not", async () => {
    const masked = dataset.rows.map((row, i) => {
      const [height, width] = row.imageSize;
      const whole = formatRleString({ height, width, counts: Uint32Array.of(0, height * width) });
      return { ...row, regionMasks: row.regionCoord.map((_, region) => (i < 2 && region === 0 ? whole : null)) };
    });
    const laboratory = new Laboratory();
    const archive = new Blob([await zipDataset({ ...dataset, rows: masked })]);
    expect(await laboratory.importFiles([{ path: "any.zip", contents: archive }])).toMatchObject({ masks: 2 });
    const plain = new Blob([await zipDataset(dataset)]);
    expect(await laboratory.importFiles([{ path: "any.zip", contents: plain }])).toMatchObject({ masks: 0 });
  });

  test("what is no dataset is refused in a sentence", async () => {
    await expect(importDataset([{ path: "a.txt", contents: new Blob(["a"]) }])).rejects.toThrow(
      "a.txt is a table or a text, not a dataset",
    );
    await expect(importDataset([{ path: "a.zip", contents: new Blob(["a"]) }])).rejects.toThrow(
      "ZIP archive is damaged",
    );
    const empty = new Blob([new Uint8Array(await writeAnnotations([]))]);
    await expect(importDataset([{ path: "annotations.feather", contents: empty }])).rejects.toThrow("name no image");
  });
});

test("an image that cannot be read is named, and hides no other", async () => {
  const members = unzipSync(await zipDataset(dataset));
  members[`${dataset.name}/images/1.npz`] = Uint8Array.of(1, 2, 3);
  const laboratory = new Laboratory();
  await laboratory.importFiles([{ path: "any.zip", contents: new Blob([new Uint8Array(zipSync(members))]) }]);
  const { pictures, problem } = await laboratory.pictures([0, 1, 2]);
  expect(pictures.map(({ image }) => image)).toEqual([0, 2]);
  expect(problem).toContain("images/1.npz cannot be read.");
});

test("a large image is drawn coarser", async () => {
  const [width, height] = [2000, 3];
  const data = Uint8Array.from({ length: 3 * width * height }, (_, i) => i % width);
  const [first] = dataset.rows;
  const large = {
    ...dataset,
    rows: [{ ...first!, imageSize: [height, width] as const }],
    readImage: async () => ({ width, height, channels: 3 as const, data }),
  };
  const { rgba, reduction, ...picture } = await pictureOf(large, 0);
  expect(picture).toMatchObject({ width, height });
  expect(reduction).toBe(2);
  expect(rgba.length).toBe(4 * 1000 * 2);
  expect([...rgba.subarray(4 * 7, 4 * 8)]).toEqual([14, 14, 14, 255]);
});

test("an own image joins the dataset, with the attributes that its text names", async () => {
  const rgba = Uint8ClampedArray.from({ length: 4 * 6 * 5 }, (_, i) => (i % 4 === 3 ? 255 : i));
  const own = {
    name: "mine.png",
    width: 6,
    height: 5,
    rgba,
    boxes: [[0, 0, 3, 4]] as const,
    text: "A Red circle, hundred",
  };
  const larger = withOwnImage(dataset, own);
  const added = dataset.rows.length;
  expect(larger.rows[added]).toMatchObject({
    imageId: added,
    split: "own",
    attributes: ["red", "circle"],
    numRegions: 1,
  });
  const [file] = [new Blob([new Uint8Array(await zipDataset(larger))])];
  const again = await importDataset([{ path: "any.zip", contents: file! }]);
  expect(await again.readImage(added)).toEqual(await larger.readImage(added));
  expect((await again.readImage(added)).data.slice(0, 3)).toEqual(Uint8Array.of(0, 4, 8));
  expect(() => withOwnImage(dataset, { ...own, boxes: [] })).toThrow("at least one box");
});

test.each([
  ["a red seven", "red + seven", undefined],
  ["Find the 7 in a small circle!", "seven + small + circle", undefined],
  ["circles", "circle", undefined],
  ["not red", "not red", undefined],
  ["a red one or two", "red + (one or two)", undefined],
  ["red or blue, without a circle or rectangle", "(red or blue) + not (circle or rectangle)", undefined],
  ["neither red nor blue", "not red + not blue", undefined],
  ["a bleu one", "one", "did you mean “blue”"],
  ["elephants", "", "“elephants” is not an attribute"],
  ["the image", "", "Name at least one attribute"],
])("the query “%s”", (text, expected, hint) => {
  const names = docMnistVocabulary.groups.flatMap(({ attributes }) => attributes);
  const query = parseQuery(text, docMnistVocabulary);
  expect(queryInWords(query, names)).toBe(expected);
  if (hint === undefined) expect(query.hint).toBeUndefined();
  else expect(query.hint).toContain(hint);
});

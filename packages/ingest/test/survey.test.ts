import type { ImageAnnotation } from "@villa/data";
import { expect, test } from "vitest";
import type { IngestedRow } from "../src/ingested-row.ts";
import { DatasetSurvey } from "../src/survey.ts";

function row(imageId: number, own: Partial<ImageAnnotation> = {}): IngestedRow {
  const regionCoord = own.regToAttr?.map(() => [0, 0, 5, 5] as const) ?? [[0, 0, 9, 9] as const];
  const annotation = {
    imageId,
    imageSize: [30, 40] as const,
    imageFilepath: `images/${imageId}.png`,
    split: "train",
    text: "red",
    regionCoord,
    numRegions: regionCoord.length,
    attributes: ["red"],
    ...own,
  };
  return { annotation, source: `${imageId}.png` };
}

function survey(...rows: IngestedRow[]) {
  const counting = new DatasetSurvey();
  // Parts must not matter.
  for (const each of rows) counting.add({ rows: [each], problems: [] });
  return counting.figures({ truthCoversAll: true });
}

test("complexity counts region-attribute pairs where all rows tell them, else attributes", () => {
  const known = [
    row(0, { regToAttr: [["red", "mug"], ["red"]], attributes: ["red", "mug"] }),
    row(1, { regToAttr: [["red"]], split: "val" }),
    row(2, { regToAttr: [["red"]] }),
  ];
  expect(survey(...known)).toMatchObject({
    images: 3,
    regions: 4,
    hasTruth: true,
    withoutAttributes: 0,
    complexities: [
      { complexity: 1, images: 2 },
      { complexity: 3, images: 1 },
    ],
    splits: [
      { split: "train", images: 2, regions: 3, complexity: 2 },
      { split: "val", images: 1, regions: 1, complexity: 1 },
    ],
  });
  expect(survey(...known, row(3, { attributes: [], imageSize: [30, 41] }))).toMatchObject({
    hasTruth: false,
    withoutAttributes: 1,
    distinctSizes: 2,
    complexities: [
      { complexity: 0, images: 1 },
      { complexity: 1, images: 2 },
      { complexity: 2, images: 1 },
    ],
    sizes: [
      { width: 40, height: 30, images: 3 },
      { width: 41, height: 30, images: 1 },
    ],
  });
});

test.each([1, 5, 6, 7, 23, 24, 25, 1000])("examples are spread over %i rows", (count) => {
  const { examples } = survey(...Array.from({ length: count }, (_, i) => row(i)));
  const ids = examples.map(({ imageId }) => imageId);
  expect(ids).toHaveLength(Math.min(6, count));
  for (const [i, id] of ids.entries()) expect(Math.abs(id / count - i / ids.length)).toBeLessThan(0.15);
});

import { golden } from "@villa/testing";
import { describe, expect, test } from "vitest";
import { auroc, bootstrap, contrastToNoise, imageTextRetrieval, topKAccuracy } from "../src/index.ts";
import { meanOf } from "../src/ties.ts";

/** Values of scikit-learn, torchmetrics and NumPy, by `tools/golden/measures.py`. */
interface MeasuresGolden {
  readonly topK: readonly {
    readonly scores: readonly number[];
    readonly labels: readonly number[];
    readonly classes: number;
    readonly top1: number;
    readonly top5: number;
    readonly meanPerClass: number;
  }[];
  readonly auroc: readonly {
    readonly scores: readonly number[];
    readonly labels: readonly number[];
    readonly labelCount: number;
    readonly perLabel: readonly number[];
    readonly macro: number;
  }[];
  readonly retrieval: readonly {
    readonly images: number;
    readonly imageOf: readonly number[];
    readonly scores: readonly number[];
    readonly imageToText: readonly number[];
    readonly textToImage: readonly number[];
  }[];
  readonly contrast: readonly {
    readonly scores: readonly (number | null)[];
    readonly height: number;
    readonly width: number;
    readonly box: readonly [number, number, number, number];
    readonly ratio: number | null;
  }[];
  readonly bootstrap: readonly {
    readonly values: readonly number[];
    readonly groups: readonly number[];
    readonly resamples: number;
    readonly seed: number;
    readonly interval: readonly [number, number];
    readonly groupedInterval: readonly [number, number];
  }[];
}

const cases = golden().json<MeasuresGolden>("measures.json");

describe("scikit-learn", () => {
  test.each(cases.topK)("top-k and balanced accuracy of $classes classes", (each) => {
    const [top1, top5] = topKAccuracy(each).at;
    expect(top1!.accuracy).toBeCloseTo(each.top1, 12);
    expect(top5!.accuracy).toBeCloseTo(each.top5, 12);
    expect(top1!.meanPerClass).toBeCloseTo(each.meanPerClass, 12);
  });

  test.each(cases.auroc)("AUROC $macro", (each) => {
    const { perLabel, macro } = auroc(each);
    expect(perLabel.map((label) => label!.auroc)).toEqual(each.perLabel.map((value) => expect.closeTo(value, 12)));
    expect(macro).toBeCloseTo(each.macro, 12);
  });
});

test.each(cases.retrieval)("torchmetrics: hit rates of $images images", async (each) => {
  const input = { images: each.images, imageOf: each.imageOf, scores: Float32Array.from(each.scores) };
  for (const blockSize of [undefined, 3]) {
    const { imageToText, textToImage } = await imageTextRetrieval({ ...input, blockSize });
    const recalls = (direction: typeof imageToText) => direction.recall.map(({ recall }) => recall);
    // torchmetrics averages in float32.
    expect(recalls(imageToText)).toEqual(each.imageToText.map((value) => expect.closeTo(value, 6)));
    expect(recalls(textToImage)).toEqual(each.textToImage.map((value) => expect.closeTo(value, 6)));
  }
});

test.each(cases.contrast)("NumPy: contrast-to-noise ratio $ratio", ({ scores, height, width, box, ratio }) => {
  const map = { scores: scores.map((score) => score ?? Number.NaN), height, width, truth: [box] };
  const { signed, absolute } = contrastToNoise([map]);
  if (ratio === null) expect(signed).toBeNaN();
  else {
    expect(signed).toBeCloseTo(ratio, 12);
    expect(absolute).toBeCloseTo(Math.abs(ratio), 12);
  }
});

test.each(cases.bootstrap)(
  "NumPy: intervals with seed $seed",
  async ({ values, groups, resamples, seed, ...expected }) => {
    const measure = (sample: Int32Array) => ({ mean: meanOf(Array.from(sample, (i) => values[i]!)) });
    const options = { items: values.length, measure, resamples, seed };
    const { mean } = await bootstrap(options);
    expect([mean!.low, mean!.high]).toEqual(expected.interval.map((bound) => expect.closeTo(bound, 12)));
    expect(mean!.value).toBeCloseTo(meanOf(values), 12);
    const grouped = await bootstrap({ ...options, groups, level: 0.9 });
    const { low, high } = grouped.mean!;
    expect([low, high]).toEqual(expected.groupedInterval.map((bound) => expect.closeTo(bound, 12)));
  },
);

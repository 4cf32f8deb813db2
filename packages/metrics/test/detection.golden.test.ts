import { createHash } from "node:crypto";
import { golden } from "@villa/testing";
import { describe, expect, test } from "vitest";
import {
  type CocoDataset,
  type CocoDetection,
  cocoEvaluation,
  formatRleString,
  type IouType,
  lvisEvaluation,
  parseRleString,
  polygonsRle,
  rleArea,
  rleBox,
} from "../src/index.ts";

/** Random problems with the answers of pycocotools and lvis-api, by `tools/golden/detection.py`. */
interface DetectionGolden {
  readonly cases: readonly {
    readonly name: string;
    readonly kind: "coco" | "agnostic" | "lvis";
    readonly iouType: IouType;
    readonly truth: CocoDataset;
    readonly detections: readonly CocoDetection[];
    readonly expected: {
      readonly numbers: Readonly<Record<string, number>>;
      readonly categoryAP: readonly number[];
      readonly shape: readonly number[];
      readonly precision: string;
      readonly recall: string;
      readonly scores?: string;
    };
  }[];
  readonly masks: readonly {
    readonly size: readonly [height: number, width: number];
    readonly polygons: readonly (readonly number[])[];
    readonly counts: string;
    readonly area: number;
    readonly box: readonly number[];
  }[];
}

const { cases, masks } = golden().json<DetectionGolden>("detection.json");
const sha256 = (values: Float64Array) => createHash("sha256").update(new Uint8Array(values.buffer)).digest("hex");

describe.each(cases)("$name", ({ kind, iouType, truth, detections, expected }) => {
  const input = { truth, detections, iouType };
  const evaluation = () =>
    kind === "lvis" ? lvisEvaluation(input) : cocoEvaluation({ ...input, classAgnostic: kind === "agnostic" });

  test("has the tool's numbers", () => {
    const { numbers, perCategory } = evaluation();
    expect(Object.keys(numbers).sort()).toEqual(Object.keys(expected.numbers).sort());
    for (const [name, value] of Object.entries(numbers)) {
      expect(Math.abs(value - expected.numbers[name]!), name).toBeLessThan(1e-9);
    }
    expect(perCategory.map((each) => each.numbers.AP)).toEqual(
      expected.categoryAP.map((value) => expect.closeTo(value, 9)),
    );
  });

  test("has the tool's precision, recall and scores, bit for bit", () => {
    const { curves } = evaluation();
    expect(curves.shape).toEqual(expected.shape);
    expect(sha256(curves.precision)).toBe(expected.precision);
    expect(sha256(curves.recall)).toBe(expected.recall);
    if (expected.scores !== undefined) expect(sha256(curves.scores)).toBe(expected.scores);
  });
});

test.each(masks.map((each, i) => ({ ...each, i })))("polygons $i cover maskApi's pixels", (each) => {
  const [height, width] = each.size;
  const mask = polygonsRle(each.polygons, { height, width });
  expect(formatRleString(mask)).toBe(each.counts);
  expect(parseRleString(each.counts, { height, width })).toEqual(mask);
  expect(rleArea(mask)).toBe(each.area);
  expect(rleBox(mask)).toEqual(each.box);
});

import { expect, test } from "vitest";
import { cocoEvaluation, detectionMistakes } from "../src/index.ts";

const annotation = (id: number, category_id: number, bbox: number[]) => ({
  id,
  image_id: 1,
  category_id,
  bbox,
  area: 100,
});

test("each kind of mistake is told from the others, the most confident first", () => {
  const truth = {
    images: [{ id: 1, width: 200, height: 100 }],
    categories: [{ id: 1 }, { id: 2 }],
    annotations: [
      annotation(1, 1, [0, 0, 10, 10]),
      annotation(2, 2, [50, 0, 10, 10]),
      annotation(3, 2, [100, 0, 10, 10]),
      { ...annotation(4, 1, [150, 0, 50, 50]), iscrowd: 1 as const },
    ],
  };
  const detection = (category_id: number, bbox: number[], score: number) => ({ image_id: 1, category_id, bbox, score });
  const detections = [
    detection(1, [0, 0, 10, 10], 0.99), // right
    detection(1, [1, 0, 10, 10], 0.5), // the same once more
    detection(1, [50, 0, 10, 10], 0.9), // category 2 is there
    detection(2, [106, 0, 10, 10], 0.8), // beside object 3
    detection(2, [0, 80, 10, 10], 0.7), // nothing is there
    detection(1, [155, 5, 20, 20], 0.6), // in the crowd: neither right nor wrong
  ];
  const evaluation = cocoEvaluation({ truth, detections });
  const mistakes = detectionMistakes({ truth, detections, evaluation });
  expect(mistakes.map(({ kind, detection: d, annotation: a }) => [kind, d, a])).toEqual([
    ["category", 2, 1],
    ["location", 3, 2],
    ["background", 4, undefined],
    ["duplicate", 1, 0],
    ["missed", undefined, 1],
    ["missed", undefined, 2],
  ]);
});

test("masks without boxes are judged by where their pixels are", () => {
  const square = (x: number, y: number) => [[x, y, x + 10, y, x + 10, y + 10, x, y + 10]];
  const truth = {
    images: [{ id: 1, width: 100, height: 60 }],
    categories: [{ id: 1 }, { id: 2 }],
    annotations: [
      { id: 1, image_id: 1, category_id: 1, segmentation: square(0, 0) },
      { id: 2, image_id: 1, category_id: 2, segmentation: square(50, 20) },
    ],
  };
  const found = (category_id: number, x: number, y: number, score: number) => {
    return { image_id: 1, category_id, segmentation: square(x, y), score };
  };
  const detections = [found(1, 0, 0, 0.9), found(1, 50, 20, 0.8), found(2, 80, 40, 0.7)];
  const evaluation = cocoEvaluation({ truth, detections, iouType: "segm" });
  expect(Array.from(evaluation.boxes.subarray(4, 8))).toEqual([50, 20, 10, 10]);
  expect(Array.from(evaluation.truthBoxes)).toEqual([0, 0, 10, 10, 50, 20, 10, 10]);
  const mistakes = detectionMistakes({ truth, detections, evaluation });
  expect(mistakes.map(({ kind, detection }) => [kind, detection])).toEqual([
    ["category", 1],
    ["background", 2],
    ["missed", undefined],
  ]);
});

// Time of COCO evaluation from parsed files to the twelve numbers. The other sides: pytorch/detection.py.
import { RandomState } from "@villa/data";
import { type CocoDataset, type CocoDetection, cocoEvaluation } from "@villa/metrics";
import { report, settings, timed } from "./common.ts";

const at = settings({ images: 5_000, categories: 80, detections: 100, repeats: 1 });
const mostObjects = 14;
const [width, height] = [640, 480];
const random = new RandomState(23); // pytorch/detection.py draws the same

/** A box from four draws: many small ones, some large. */
const drawnBox = (draw: Float64Array): number[] => {
  const [w, h] = [8 + 400 * draw[2]! * draw[2]!, 8 + 300 * draw[3]! * draw[3]!];
  return [draw[0]! * (width - w), draw[1]! * (height - h), w, h];
};

const truth: CocoDataset = {
  images: Array.from({ length: at.images }, (_, i) => ({ id: i + 1, width, height })),
  categories: Array.from({ length: at.categories }, (_, c) => ({ id: c + 1, name: `${c}` })),
  annotations: [],
};
const detections: CocoDetection[] = [];
const annotations = truth.annotations as CocoDataset["annotations"][number][];
for (let image = 1; image <= at.images; image++) {
  const draws = Float64Array.from({ length: 1 + 5 * mostObjects + 6 * at.detections }, () => random.randomSample());
  const objects = 1 + Math.floor(draws[0]! * mostObjects);
  for (let o = 0; o < objects; o++) {
    const own = draws.subarray(1 + 5 * o, 6 + 5 * o);
    const bbox = drawnBox(own);
    const category = 1 + Math.floor(own[4]! * at.categories);
    const area = bbox[2]! * bbox[3]!;
    annotations.push({ id: annotations.length + 1, image_id: image, category_id: category, bbox, area, iscrowd: 0 });
  }
  const found = annotations.slice(-objects);
  for (let d = 0; d < at.detections; d++) {
    const own = draws.subarray(1 + 5 * mostObjects + 6 * d, 7 + 5 * mostObjects + 6 * d);
    const object = found[d];
    // One for each object, a little beside it; the others anywhere.
    const bbox = object
      ? object.bbox!.map((side, i) => side + (own[i]! - 0.5) * 0.2 * object.bbox![2 + (i % 2)]!)
      : drawnBox(own);
    const category = object?.category_id ?? 1 + Math.floor(own[4]! * at.categories);
    detections.push({ image_id: image, category_id: category, bbox, score: own[5]! });
  }
}
let precision = 0;
const times = await timed(at.repeats, async () => {
  precision = cocoEvaluation({ truth, detections }).numbers.AP;
});
console.error(`AP ${precision.toFixed(12)}`);
report({ threads: 1 }, "JavaScript", times);

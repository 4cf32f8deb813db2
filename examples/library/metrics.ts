// @villa/metrics: measures as the tools of the field compute them, without TensorFlow.js.
import { bootstrap, type CocoDataset, type CocoDetection, cocoEvaluation, topKAccuracy } from "@villa/metrics";

const truth: CocoDataset = {
  images: [
    { id: 1, width: 100, height: 80 },
    { id: 2, width: 100, height: 80 },
  ],
  categories: [{ id: 1, name: "mug" }],
  annotations: [
    { id: 1, image_id: 1, category_id: 1, bbox: [10, 10, 40, 30], area: 1200, iscrowd: 0 },
    { id: 2, image_id: 2, category_id: 1, bbox: [20, 20, 40, 40], area: 1600, iscrowd: 0 },
  ],
};
const detections: readonly CocoDetection[] = [
  { image_id: 1, category_id: 1, bbox: [10, 10, 40, 30], score: 0.9 },
  { image_id: 2, category_id: 1, bbox: [60, 50, 20, 20], score: 0.6 },
];
const { numbers, images, resample } = cocoEvaluation({ truth, detections });
console.log(`AP ${numbers.AP.toFixed(3)}, AP50 ${numbers.AP50.toFixed(3)}`);

const interval = await bootstrap({ items: images.length, measure: resample, resamples: 200, seed: 23 });
console.log("AP's interval:", interval.AP?.low, interval.AP?.high);

const scores = Float32Array.of(0.9, 0.1, 0.2, 0.8);
console.log("top-1:", topKAccuracy({ scores, labels: [0, 0], classes: 2, ks: [1] }).at[0]?.accuracy);

// @villa/mapping: which region of an image does each word of its text speak of? Learned from pairs alone.
import { plainCpuBackend, useBackend } from "@villa/core";
import { mapRegions, trainMapping } from "@villa/mapping";
import { mappingMetrics } from "@villa/metrics";

await useBackend({ candidates: [plainCpuBackend()], name: "cpu" });

// 60 images of two regions. A region is one of four things; a text names the two things of its image, in any order.
const attributes = ["cat", "dog", "tree", "car"];
const truth = Array.from({ length: 60 }, (_, i) => [[i % 4], [(i + 1 + (i % 3)) % 4]]);
const embed = ([thing]: number[], r: number) =>
  Array.from({ length: 8 }, (_, k) => (k === thing ? 1 : 0.3 * Math.sin(r + k)));
const data = {
  regions: Float32Array.from(truth.flat().flatMap(embed)), // [120, 8]
  counts: new Int32Array(60).fill(2),
  labels: Uint8Array.from(truth.flatMap((image) => attributes.map((_, a) => Number(image.flat().includes(a))))), // [60, 4]
};
const attributeEmbeddings = Float32Array.from(
  attributes.flatMap((_, a) => Array.from({ length: 8 }, (_, k) => Number(k === 7 - a))),
);

const model = await trainMapping({
  ...data,
  attributes,
  attributeEmbeddings,
  epochs: 25,
  batchSize: 12,
  learningRate: 0.01,
});
const { assigned } = await mapRegions({ ...data, model, attributeEmbeddings });
console.log("loss", model.history.map(({ loss }) => loss.toFixed(2)).join(" "));
console.log(
  "image 0:",
  assigned[0]?.map((region) => region.map((a) => attributes[a])),
  mappingMetrics(assigned, truth),
);

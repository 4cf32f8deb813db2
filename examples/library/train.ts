// The whole method in plain TypeScript: no files, no command line. Generates data, learns which region each sentence
// speaks of (Stage 1), trains a vision-language model on what it found (Stage 2), and measures retrieval.
import { useNodeBackend } from "@villa/backend-node";
import { attributeNames, RandomState } from "@villa/data";
import {
  attributeVocabulary,
  type DocMnistSample,
  generateDocMnist,
  glyphDigits,
  sampleAnnotation,
} from "@villa/docmnist";
import { attributeEmbeddings, initModifiedResNet, pixelsEncoder } from "@villa/encoders";
import { buildSplit, mapRegions, regionTexts, trainMapping } from "@villa/mapping";
import { mappingMetrics, retrievalMetrics } from "@villa/metrics";
import {
  contrastiveBatch,
  embedSplit,
  imagePairs,
  regionLabels,
  SentenceEmbeddings,
  trainContrastive,
} from "@villa/vlm";

const backend = await useNodeBackend();

// Data
const { train, test } = generateDocMnist({
  digits: { train: glyphDigits(1, 2000), test: glyphDigits(2, 500) },
  attributeBudget: 3000,
  valAttributeBudget: 0,
  testAttributeBudget: 1000,
  targetSampleComplexity: 16,
});
const vocabulary = attributeVocabulary();
const names = attributeNames(vocabulary);
const picture = (sample: DocMnistSample) => ({ ...sample, channels: 3 as const, data: sample.image });

// Embeddings: regions and attributes have nothing in common yet
const encoder = pixelsEncoder({ dimension: 128 });
const rows = await encoder.encodeRegions(
  train.map(picture),
  train.map(({ regions }) => regions.map(({ box }) => box)),
); // [R, 128]
const starts = new Map<number, number>();
let start = 0;
for (const { id, regions } of train) {
  starts.set(id, start);
  start += regions.length;
}
const split = buildSplit({
  split: "train",
  annotations: train.map(sampleAnnotation),
  attributes: names,
  dimension: 128,
  regions: (id) => {
    const first = starts.get(id)! * 128;
    return rows.subarray(first, first + train[id]!.regions.length * 128);
  },
});
const flatten = (embeddings: Map<string, Float32Array>) =>
  Float32Array.from([...embeddings.values()].flatMap((row) => [...row]));
const attributes = flatten(await attributeEmbeddings(encoder, vocabulary)); // [A, 128]

// Stage 1: the mapping
const mapper = await trainMapping({
  ...split.data,
  attributeEmbeddings: attributes,
  attributes: names,
  epochs: 8,
  batchSize: 32,
  learningRate: 1e-3,
});
const { assigned } = await mapRegions({ ...split.data, model: mapper, attributeEmbeddings: attributes, epsilon: 0.2 });
const assignedNames = assigned.map((regions) => regions.map((own) => own.map((a) => names[a]!)));
console.log(
  "mapping",
  mappingMetrics(
    assignedNames,
    train.map(({ regions }) => regions.map((region) => region.attributes)),
  ),
);

// Stage 2: a small image encoder on the region-text pairs that the mapping gives
const random = new RandomState(23);
const tower = initModifiedResNet({ layers: [1, 1, 1, 1], width: 8, embedDim: 64, seed: 23 });
const wordVectors = pixelsEncoder({ dimension: 64 });
const texts = new SentenceEmbeddings((sentences) => wordVectors.encodeText(sentences), 64);
const pairs = train.map((sample, i) => {
  const row = sampleAnnotation(sample);
  const assignedText = regionTexts(row, assignedNames[i]!, { random });
  return imagePairs({ ...row, assignedText }, "mapping");
});
await texts.prepare(pairs.flatMap(({ sentences }) => sentences.flat()));
const { history } = await trainContrastive(
  tower,
  {
    train: {
      length: train.length,
      batch: async (indices) => {
        const members = Array.from(indices);
        const images = members.map((i) => picture(train[i]!));
        return contrastiveBatch(
          images,
          members.map((i) => pairs[i]!),
          { embedText: (sentences) => texts.embed(sentences) },
        );
      },
    },
  },
  { epochs: 6, batchSize: 16, microBatch: 0, learningRate: 1e-3, weightDecay: 0 },
);
console.log("contrastive loss", history.map(({ loss }) => loss.toFixed(2)).join(" → "));

// Retrieval on images that neither stage has seen
const testRows = test.map((sample) => ({ ...sampleAnnotation(sample), sample }));
const regions = await embedSplit(tower, testRows, { load: async ({ sample }) => picture(sample) }); // [R, 64]
const { textToRegion, regionToText } = await retrievalMetrics({
  regions,
  attributes: flatten(await attributeEmbeddings(wordVectors, vocabulary)), // [A, 64]
  labels: regionLabels(testRows, names),
  dimension: 64,
});
const percent = (fraction: number) => `${(100 * fraction).toFixed(1)} %`;
console.log(
  `R-Precision: text → region ${percent(textToRegion.rPrecision)}, region → text ${percent(regionToText.rPrecision)}`,
);

encoder.dispose();
tower.dispose();
await backend.dispose();

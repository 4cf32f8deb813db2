// @villa/vlm: regions and sentences in one space. Here an untrained tower: its pairs, its retrieval, its ONNX file.
// train.ts trains one.
import { writeFile } from "node:fs/promises";
import { useNodeBackend } from "@villa/backend-node";
import { attributeVocabulary, generateDocMnist, glyphDigits, sampleAnnotation } from "@villa/docmnist";
import {
  attributeEmbeddings,
  exportRegionEncoder,
  initModifiedResNet,
  pixelsEncoder,
  visionStateDict,
} from "@villa/encoders";
import { retrievalMetrics } from "@villa/metrics";
import { embedSplit, imagePairs, regionLabels } from "@villa/vlm";

const backend = await useNodeBackend();
const digits = { train: glyphDigits(1, 500) };
const { train } = generateDocMnist({ digits, attributeBudget: 400, targetSampleComplexity: 16, valAttributeBudget: 0 });
const rows = train.map((sample) => ({ ...sampleAnnotation(sample), picture: { ...sample, data: sample.image } }));
console.log("one region and its text:", imagePairs(rows[0]!, "oracle").sentences[0]);

const tower = initModifiedResNet({ layers: [1, 1, 1, 1], width: 8, embedDim: 64, seed: 23 });
const regions = await embedSplit(tower, rows, { load: async ({ picture }) => picture }); // [R, 64]
const texts = await attributeEmbeddings(pixelsEncoder({ dimension: 64 }), attributeVocabulary());
const attributes = Float32Array.from([...texts.values()].flatMap((row) => [...row])); // [A, 64]
const labels = regionLabels(rows, [...texts.keys()]); // [R, A]
const { textToRegion } = await retrievalMetrics({ regions, attributes, labels, dimension: 64 });
console.log(`R-Precision by chance: ${textToRegion.rPrecision.toFixed(2)}`);

await writeFile("tower.onnx", exportRegionEncoder(await visionStateDict(tower.parameters), tower.config));
tower.dispose();
await backend.dispose();

// Trains the model that comes with the page: node --import tsx --conditions=@villa/source scripts/default-model.ts
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { useNodeBackend } from "@villa/backend-node";
import { pixelsEncoder } from "@villa/encoders";
import { trainOptions } from "@villa/mapping";
import { embedDataset } from "../src/laboratory/embed.ts";
import { generateDataset } from "../src/laboratory/generate.ts";
import { formatModel } from "../src/laboratory/model-file.ts";
import { train } from "../src/laboratory/train.ts";

/** Short embeddings make a small file; a large budget makes up for them. */
const [dimension, seed] = [32, 23];
const dataset = generateDataset({
  seed,
  attributeBudget: 20_000,
  valAttributeBudget: 1000,
  targetSampleComplexity: 12,
  colors: ["red", "yellow", "green", "blue", "purple"],
  shapes: ["circle", "rectangle", "none"],
});
await useNodeBackend({ name: "wasm" });
const { signal } = new AbortController();
const silent = { onProgress() {}, signal };
const embedded = await embedDataset(dataset, pixelsEncoder({ dimension, seed }), silent);
const options = trainOptions({ epochs: 11, batchSize: 32, learningRate: 3e-3, seed });
const { model } = await train(embedded, options, {
  ...silent,
  onHead: async () => {},
  onEpoch: ({ epoch, validation }) => console.log(`epoch ${epoch}: F1 ${validation?.f1?.toFixed(3)}`),
});
const folder = join(import.meta.dirname, "../src/model");
mkdirSync(folder, { recursive: true });
writeFileSync(join(folder, "default.safetensors"), await formatModel(model, seed));
process.exit(0);

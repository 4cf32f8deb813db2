// Time of CLIP ViT-B/16: features of whole images, of texts, or a Stage 2 step of all weights; random weights.
// The other side: pytorch/vit.py.
//   vit.ts image|text|step [--images 8] [--regions 6] [--prompts 20]
// Weights come from a folder, as users' do; a process of its own writes it, so that its memory is not counted here.
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as tf from "@tensorflow/tfjs-core";
import { Adam } from "@villa/core";
import { type Box, type TensorData, writeSafetensors } from "@villa/data";
import { textParameterShapes, type VitConfig, vitParameterShapes } from "@villa/encoders";
import { openEncoder, openTextTower } from "@villa/encoders/node";
import { contrastiveBatch, contrastiveGradients, contrastiveObjective, disposeBatch, stage2Config } from "@villa/vlm";
import { normals, ownPeakKiB, report, settings, startBackend, timed } from "./common.ts";
import { countFlops, flopsOf, profileKernels } from "./kernels.ts";

const side = 224;
const embedDim = 512;
const vision: VitConfig = {
  naming: "open-clip",
  imageSize: side,
  patchSize: 16,
  width: 768,
  layers: 12,
  heads: 12,
  hidden: 3072,
  embedDim,
  activation: "quick_gelu",
  epsilon: 1e-5,
};
const text = { contextLength: 77, vocabularySize: 49_408, width: 512, heads: 8, layers: 12, embedDim };

const at = settings({ images: 8, regions: 6, prompts: 20, repeats: 3 });
if (at.what?.endsWith(".safetensors")) {
  writeFileSync(at.what, randomWeights());
  process.exit(0);
}
const folder = mkdtempSync(join(tmpdir(), "villa-bench-"));
const weights = join(folder, "open_clip_model.safetensors");
execFileSync(process.execPath, [...process.execArgv, fileURLToPath(import.meta.url), weights]);
const backend = await startBackend(at);
const pictures = Array.from({ length: at.images }, () => ({
  width: side,
  height: side,
  channels: 3 as const,
  data: Uint8Array.from({ length: 3 * side * side }, () => Math.random() * 256),
}));
if (at.what === "step") await measureStep();
else if (at.what === "text") await measureTexts();
else await measureImages();
rmSync(folder, { recursive: true });
await backend.dispose();

async function measureImages(): Promise<void> {
  const { image } = await openEncoder(folder, { textEncoder: "none" });
  const times = await timed(at.repeats, () => image.encodeImages(pictures));
  const peakKiB = ownPeakKiB(); // counting keeps every kernel's inputs alive
  const { image: single } = await openEncoder(folder, { textEncoder: "none", trainable: true });
  const flops = await countFlops(() => single.encodeImages(pictures.slice(0, 1)));
  const kernels = await profileKernels(() => image.encodeImages(pictures), 1 / at.images);
  report(at, backend.name, times, { scale: 1 / at.images, flops, kernels, peakKiB });
}

async function measureTexts(): Promise<void> {
  const text = await openTextTower(folder);
  const prompts = Array.from({ length: at.prompts }, () => "the image shows a three");
  report(at, backend.name, await timed(at.repeats, () => text.encodeText(prompts)));
}

async function measureStep(): Promise<void> {
  const { loss: lossSettings, optimizer: adam } = stage2Config({ dataDir: "none" }); // the defaults; no file is read
  const { image } = await openEncoder(folder, { textEncoder: "none", trainable: true });
  const tower = image.tower!;
  const optimizer = new Adam({
    parameters: tower.trainableVariables(),
    learningRate: adam.lr,
    weightDecay: adam.weightDecay,
  });
  const objective = contrastiveObjective({ temperature: lossSettings.temp });
  const cell = side / 3;
  const cells = Array.from({ length: at.regions - 1 }, (_, i) => [cell * (i % 3), cell * (Math.floor(i / 3) % 3)]);
  const boxes: Box[] = [...cells.map(([x, y]): Box => [x!, y!, x! + cell, y! + cell]), [0, 0, side - 1, side - 1]];
  const pairs = pictures.map(() => ({ boxes, sentences: boxes.map(() => [""]) }));
  const sentences = normals(at.images * at.regions * embedDim, embedDim);
  const step = async (): Promise<void> => {
    const batch = contrastiveBatch(pictures, pairs, { embedText: () => sentences, input: tower.input });
    const { loss, gradients } = await contrastiveGradients(tower, batch, { objective });
    optimizer.step(gradients);
    tf.dispose(gradients);
    disposeBatch(batch);
    if (!Number.isFinite(loss)) throw new Error("The loss is not finite.");
    if (backend.device === "gpu") await [...tower.parameters.values()].at(-1)!.data(); // waits for the optimiser
  };
  const times = await timed(at.repeats, step);
  const peakKiB = ownPeakKiB();
  const kernels = backend.device === "cpu" ? await profileKernels(step) : undefined;
  report(at, backend.name, times, { flops: kernels && flopsOf(kernels), kernels, peakKiB });
}

/** Random weights; norms scale by 1. */
function randomWeights(): Uint8Array {
  const shapes = new Map([...vitParameterShapes(vision), ...textParameterShapes(text)]);
  const tensors = [...shapes].map(([name, shape]): [string, TensorData] => {
    const data = new Float32Array(shape.reduce((product, side) => product * side, 1));
    const isNorm = shape.length === 1 && name.endsWith("weight");
    for (let i = 0; i < data.length; i++) data[i] = isNorm ? 1 : (Math.random() - 0.5) * 0.07;
    return [name, { dtype: "float32", shape: [...shape], data }];
  });
  return writeSafetensors(new Map(tensors));
}

import { mkdir, rm } from "node:fs/promises";
import { openDataset } from "@villa/data/node";
import type { DigitSource } from "@villa/docmnist";
import { writeDataset } from "@villa/docmnist/node";
import { pixelsEncoder } from "@villa/encoders";
import { stage1Config } from "@villa/mapping";
import { runStage1 } from "@villa/mapping/node";
import { preprocessDataset } from "@villa/preprocess";
import { imagePairs, type PairMode, parseStage2Config, stage2Defaults, stage2Experiments } from "@villa/vlm";
import { evaluateCheckpoint, runStage2 } from "@villa/vlm/node";
import {
  type CellResult,
  type ComplexityCell,
  type ComplexityProtocol,
  type ModelResult,
  pairModes,
} from "./protocol.ts";

/** What a worker needs to know to compute a cell. */
export interface CellTask extends ComplexityCell {
  readonly protocol: ComplexityProtocol;
  readonly digits: DigitSource;
  /** Dataset with the common test split. */
  readonly testDirectory: string;
  /** Folder for the cell's files; removed at the end. */
  readonly folder: string;
}

/** Generates a dataset, learns its mapping, and trains and judges a model in each mode. */
export async function runCell(task: CellTask, signal?: AbortSignal): Promise<CellResult> {
  const { complexity, seed, protocol, digits, folder } = task;
  const running = signal ? { signal } : {};
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  const written = await writeDataset({
    digits,
    seed,
    out: folder,
    name: "docmnist",
    attributeBudget: protocol.attributeBudget,
    valAttributeBudget: protocol.valAttributeBudget,
    targetSampleComplexity: complexity,
    ...running,
  });
  const dataDir = written.directory;
  const { stage1 } = protocol;
  const encoder = pixelsEncoder({ dimension: stage1.dimension, seed });
  try {
    await preprocessDataset({ dataDirectory: dataDir, encoder, ...running });
  } finally {
    encoder.dispose();
  }
  const mapped = await runStage1(
    stage1Config({
      task_name: "stage1",
      data_dir: dataDir,
      checkpoint_dir: folder,
      seed,
      epochs: stage1.epochs,
      batch_size: stage1.batchSize,
      model: { emb_dim: stage1.dimension },
      optimizer: { lr: stage1.learningRate },
      keep_optimizer: false,
    }),
    running,
  );
  const models: ModelResult[] = [];
  for (const pairs of pairModes) models.push(await trainModel(task, dataDir, pairs, signal));
  const result: CellResult = {
    complexity,
    seed,
    averageComplexity: written.splits.train!.averageSampleComplexity,
    images: written.splits.train!.images,
    mappingF1: mapped.mappings.find(({ split }) => split === "train")!.report!.f1,
    models,
  };
  await rm(folder, { recursive: true, force: true });
  return result;
}

async function trainModel(
  { seed, protocol: { stage2 }, folder, testDirectory }: CellTask,
  dataDir: string,
  pairs: PairMode,
  signal: AbortSignal | undefined,
): Promise<ModelResult> {
  const start = performance.now();
  const running = signal ? { signal } : {};
  const perImage = await pairsPerImage(dataDir, pairs);
  const imagesPerStep = Math.max(2, Math.round(stage2.pairsPerStep / perImage));
  const small = stage2Experiments.docmnist_stage2_small;
  const epochs = Math.round(stage2.steps / stage2.stepsPerEpoch);
  const trained = await runStage2(
    parseStage2Config({
      ...stage2Defaults,
      ...small,
      task_name: pairs,
      data_dir: dataDir,
      checkpoint_dir: folder,
      pairs,
      seed, // the same starting weights in every mode
      batch_size: imagesPerStep,
      steps_per_epoch: stage2.stepsPerEpoch,
      epochs,
      early_stop: { patience: epochs },
      optimizer: { ...small.optimizer, lr: stage2.learningRate },
      model: { ...small.model, width: stage2.width, emb_dim: stage2.dimension },
    }),
    running,
  );
  const test = { dataDir: testDirectory, split: "test", checkpoint: trained.bestCheckpoint, ...running };
  const evaluation = await evaluateCheckpoint(test);
  return {
    pairs,
    trainingPairs: trained.pairs,
    imagesPerStep,
    bestEpoch: trained.bestEpoch,
    textToRegion: evaluation.textToRegion.rPrecision,
    regionToText: evaluation.regionToText.rPrecision,
    seconds: (performance.now() - start) / 1000,
  };
}

async function pairsPerImage(dataDir: string, mode: PairMode): Promise<number> {
  const dataset = await openDataset(dataDir);
  const rows = mode === "mapping" ? await dataset.mappings("train") : dataset.rows("train");
  return rows.reduce((sum, row) => sum + imagePairs(row, mode).boxes.length, 0) / rows.length;
}

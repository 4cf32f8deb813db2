import { mkdir, rm } from "node:fs/promises";
import type { TaskContext } from "@villa/core";
import { datasetTexts } from "@villa/data";
import { openDataset } from "@villa/data/node";
import type { DigitSource } from "@villa/docmnist";
import { writeDataset } from "@villa/docmnist/node";
import { pixelsEncoder } from "@villa/encoders";
import { stage1Config } from "@villa/mapping";
import { runStage1 } from "@villa/mapping/node";
import { preprocessDataset } from "@villa/preprocess";
import { imagePairs, type PairMode, stage2Config } from "@villa/vlm";
import { runStage2 } from "@villa/vlm/node";
import { judgeModel } from "./judge.ts";
import {
  type CellResult,
  type ExperimentCell,
  type ExperimentProtocol,
  type ModelResult,
  pairModes,
} from "./protocol.ts";

/** What a worker needs to know to compute a cell. */
export interface CellTask extends ExperimentCell {
  readonly protocol: ExperimentProtocol;
  readonly digits: DigitSource;
  /** Dataset with the common test split. */
  readonly testDirectory: string;
  /** Folder for the cell's files; removed at the end. */
  readonly folder: string;
}

/**
 * Generates a dataset, learns its mapping, and trains and judges a model in each mode. Workers load this module by URL:
 * the name of the function is part of the contract.
 */
export async function cellTask(task: CellTask, { signal }: TaskContext): Promise<CellResult> {
  const { complexity, seed, protocol, digits, folder } = task;
  const running = { signal };
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
    await preprocessDataset({ dataDir, encoder, ...running });
  } finally {
    encoder.dispose();
  }
  const mapped = await runStage1(
    stage1Config({
      taskName: "stage1",
      dataDir,
      checkpointDir: folder,
      seed,
      epochs: stage1.epochs,
      batchSize: Math.min(stage1.batchSize, written.splits.train!.images),
      model: { embDim: stage1.dimension },
      optimizer: { lr: stage1.learningRate },
      keepOptimizer: false,
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
  { seed, protocol, folder, testDirectory }: CellTask,
  dataDir: string,
  pairs: PairMode,
  signal: AbortSignal | undefined,
): Promise<ModelResult> {
  const start = performance.now();
  const running = { signal };
  const { stage2 } = protocol;
  const perImage = await pairsPerImage(dataDir, pairs);
  const imagesPerStep = Math.max(2, Math.round(stage2.pairsPerStep / perImage));
  const epochs = Math.round(stage2.steps / stage2.stepsPerEpoch);
  const trained = await runStage2(
    stage2Config(
      {
        taskName: pairs,
        dataDir,
        checkpointDir: folder,
        pairs,
        seed, // the same starting weights in every mode
        batchSize: imagesPerStep,
        stepsPerEpoch: stage2.stepsPerEpoch,
        epochs,
        earlyStop: { patience: epochs },
        optimizer: { lr: stage2.learningRate },
        model: { width: stage2.width, embDim: stage2.dimension },
      },
      { experiment: "docmnist_stage2_small_roi" },
    ),
    running,
  );
  const numbers = await judgeModel({ protocol, testDirectory, checkpoint: trained.bestCheckpoint, signal });
  return {
    pairs,
    trainingPairs: trained.pairs,
    imagesPerStep,
    bestEpoch: trained.bestEpoch,
    numbers,
    seconds: (performance.now() - start) / 1000,
  };
}

async function pairsPerImage(dataDir: string, mode: PairMode): Promise<number> {
  const dataset = await openDataset(dataDir);
  const rows = mode === "mapping" ? await dataset.mappings("train") : dataset.rows("train");
  const texts = datasetTexts(dataset.vocabulary);
  return rows.reduce((sum, row) => sum + imagePairs(row, mode, { texts }).boxes.length, 0) / rows.length;
}

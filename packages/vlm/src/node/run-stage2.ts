import { join } from "node:path";
import { type EpochResult, snakeCaseKeys } from "@villa/core";
import { folderCheckpoints, jsonlMetrics, RunFolder, readMetrics } from "@villa/core/node";
import { checkArgument, countMasks, type ProgressListener } from "@villa/data";
import { openDataset } from "@villa/data/node";
import { contrastiveSettings, type Stage2Config, stage2Config } from "../config.ts";
import { SentenceEmbeddings } from "../text-embeddings.ts";
import { trainContrastive } from "../train.ts";
import { splitPairs } from "./dataset-pairs.ts";
import { initialModel } from "./model.ts";
import { readStage2Fingerprint, stage2Fingerprint } from "./stage2-fingerprint.ts";

/** How {@link runStage2} runs. */
export interface Stage2RunOptions {
  readonly onProgress?: ProgressListener | undefined;
  readonly signal?: AbortSignal | undefined;
}

const metricsFile = "metrics.jsonl";
/** What training writes into the run's folder. */
const results = ["best.safetensors", "best.json", "last.safetensors", "last.json", metricsFile];

/** What a run of Stage 2 gives. */
export interface Stage2Result {
  /** `<checkpointDir>/<taskName>` */
  readonly directory: string;
  readonly lastCheckpoint: string;
  readonly bestCheckpoint: string;
  /** Every epoch, those before an interruption too. */
  readonly history: readonly EpochResult[];
  /** From 1. */
  readonly bestEpoch: number | null;
  readonly bestLoss: number | null;
  readonly stoppedEarly: boolean;
  /** Images and pairs trained on, images without any pair left out. */
  readonly images: number;
  readonly pairs: number;
  readonly skippedImages: number;
  /** Regions of the training images that have a mask, of which only the box was used (`model.regions=roi-align`). */
  readonly unusedMasks: number;
  readonly parameters: number;
}

/**
 * Stage 2 from files to files: writes `last.safetensors`, `best.safetensors` and `metrics.jsonl`. The same call after an
 * interruption goes on where it was (`resume: "auto"`). With `resume: "never"` earlier results stay until the new run is
 * trained.
 *
 * @throws VillaError with a sentence for whatever is wrong with the configuration, the dataset or the weights
 */
export async function runStage2(config: Stage2Config, options: Stage2RunOptions = {}): Promise<Stage2Result> {
  checkArgument("config", config, {
    dataDir: "text",
    taskName: "text",
    model: "object",
    loss: "object",
    optimizer: "object",
  });
  checkArgument("options?", options, { "onProgress?": "function", "signal?": "object" });
  const { onProgress, signal } = options;

  const checked = stage2Config(config);
  const directory = join(checked.checkpointDir, checked.taskName);
  const dataset = await openDataset(checked.dataDir);
  const model = await initialModel(checked, { onProgress, signal });
  try {
    const embeddings = new SentenceEmbeddings(model.encodeText, model.tower.embedDim);
    const { pairs, model: form } = checked;
    const making = { mode: pairs, embeddings, input: model.tower.input, regions: form.regions };
    const train = await splitPairs(dataset, { split: "train", ...making });
    const val = dataset.splits.includes("val") ? await splitPairs(dataset, { split: "val", ...making }) : undefined;
    const fingerprint = stage2Fingerprint(checked, train.digest);
    const run = await RunFolder.open({
      directory,
      resume: checked.resume,
      fingerprint,
      results,
      readFingerprint: readStage2Fingerprint,
    });
    const result = await trainContrastive(
      model.tower,
      { train, val },
      {
        ...contrastiveSettings(checked),
        checkpoints: folderCheckpoints(run.current),
        resume: true,
        metrics: jsonlMetrics(join(run.current, metricsFile)),
        extra: { model: model.description, config: snakeCaseKeys(checked), fingerprint },
        onProgress,
        signal,
      },
    );
    await run.takePlace();
    const { lastPath, bestPath } = folderCheckpoints(directory);
    const sizes = [...model.tower.trainableVariables().values()].map(({ size }) => size);
    return {
      directory,
      lastCheckpoint: lastPath,
      bestCheckpoint: bestPath,
      ...result,
      history: await epochsOf(join(directory, metricsFile)),
      images: train.length,
      pairs: train.pairs,
      skippedImages: train.skippedImages,
      unusedMasks: form.regions === "mask" || pairs === "image" ? 0 : countMasks(dataset.rows("train")),
      parameters: sizes.reduce((sum, size) => sum + size, 0),
    };
  } finally {
    model.dispose();
  }
}

async function epochsOf(metrics: string): Promise<EpochResult[]> {
  const records = await readMetrics(metrics);
  return records.map(({ epoch, loss, validationLoss, learningRate, improved = false }) => ({
    epoch,
    loss,
    learningRate,
    improved,
    validationLoss,
  }));
}

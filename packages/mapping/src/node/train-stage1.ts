import { join } from "node:path";
import type { TaskPool } from "@villa/core";
import { RunFolder } from "@villa/core/node";
import { type ProgressListener, VillaError } from "@villa/data";
import { noteShards, requireParts } from "@villa/data/node";
import { defaultEpsilon, type Stage1Config } from "../config.ts";
import type { SplitData } from "../data/build-data.ts";
import { earlyStoppingOf } from "../model/head-state.ts";
import { headCount, headFrom } from "../model/heads.ts";
import type { EpochSummary } from "../train/history.ts";
import { shardOf, shardOwning } from "../train/parallel.ts";
import { trainGroups } from "../train/train-groups.ts";
import { progressOf } from "../train/train-mapping.ts";
import { learningRateAt, trainOptionsOfConfig } from "../train/train-options.ts";
import type { ValidationSplit } from "../train/validate.ts";
import { dropOptimizer, loadHeadProgress, removeHeadLeftovers, saveHeadState } from "./head-files.ts";
import { openMappingModel } from "./model-files.ts";
import { judgesEpochs, type Stage1Input } from "./open-stage1.ts";
import {
  readStage1Fingerprint,
  stage1Files,
  stage1Fingerprint,
  trainingResults,
  writeStage1Fingerprint,
} from "./stage1-files.ts";
import { EpochLog } from "./stage1-log.ts";
import { mappingTasks, trainGroupWithFiles } from "./tasks.ts";

/** How a run of Stage 1 is carried out. */
export interface Stage1RunOptions {
  /** Workers to spread the heads over, e.g. `createTaskPool()` of @villa/backend-node. Default: this thread. */
  readonly pool?: TaskPool | undefined;
  readonly onProgress?: ProgressListener | undefined;
  /** Called whenever all heads have finished an epoch. */
  readonly onEpoch?: ((summary: EpochSummary) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Only join and map what shards have trained; refuses when something is missing. */
  readonly mergeOnly?: boolean | undefined;
}

/**
 * Trains the heads, or a shard's share of them, from their checkpoints where there are some.
 *
 * @returns the history of all epochs, and the folder of the run
 * @throws VillaError `InvalidArgument`, `Mismatch` when the folder holds another run, `NotFinite`, `Aborted`
 */
export async function trainStage1(
  input: Stage1Input,
  options: Stage1RunOptions,
): Promise<{ readonly history: EpochSummary[]; readonly directory: string }> {
  const { config, embeddings, form, splits } = input;
  const data = splits.get("train")!;
  const images = data.data.counts.length;
  if (config.batchSize > images) {
    throw new VillaError(
      "InvalidArgument",
      `batch_size=${config.batchSize} is larger than the train split of ${images} images; use batch_size=${images} or less.`,
    );
  }
  const total = headCount(form.oneProj, embeddings.attributes.length);
  const shard = config.attributesShard ?? { index: 0, count: 1 };
  const heads = shardOf(total, shard);
  if (config.attributesShard !== null && config.resume === "never") {
    throw new VillaError(
      "InvalidArgument",
      "A shard cannot start anew (resume=never): it would delete what other shards have trained.",
    );
  }
  const fingerprint = stage1Fingerprint(config, { train: data, embeddings });
  const run = await RunFolder.open({
    directory: join(config.checkpointDir, config.taskName),
    resume: config.resume,
    fingerprint,
    results: trainingResults,
    readFingerprint: readStage1Fingerprint,
  });
  const files = stage1Files(run.current);
  if (options.mergeOnly) await requireTrained(files.heads, total, config);
  await writeStage1Fingerprint(files.heads, fingerprint);
  await removeHeadLeftovers(files.heads, heads);
  if (config.attributesShard !== null) await noteShards(files.heads, shard.count);
  if (config.initCheckpoint !== null) await seedHeads(input, files.heads, heads, config.initCheckpoint);
  await requireTrainable(files.heads, heads, config);
  const suffix = config.attributesShard === null ? "" : `-${shard.index + 1}-of-${shard.count}`;
  const train = trainOptionsOfConfig(config);
  const stepsPerEpoch = Math.floor(images / config.batchSize);
  const log = await EpochLog.open({
    path: files.metrics.replace(/\.jsonl$/, `${suffix}.jsonl`),
    heads,
    checkpoints: files.heads,
    stepsPerEpoch,
    learningRate: (steps) => learningRateAt(steps, config.epochs * stepsPerEpoch, train),
    onEpoch: options.onEpoch,
  });
  const progress = progressOf(
    options.onProgress,
    stepsPerEpoch * (await epochsLeft(files.heads, heads, config.epochs)),
  );
  const validation = splits.get("val");
  await trainGroups(
    {
      ...form,
      heads,
      data: data.data,
      attributeEmbeddings: embeddings.values,
      train,
      validation:
        judgesEpochs(config) && validation ? { ...judgeOf(validation), epsilon: firstEpsilon(config) } : undefined,
      earlyStopping:
        config.earlyStop.metric === "none"
          ? undefined
          : { metric: config.earlyStop.metric, patience: config.earlyStop.patience },
      checkpoints: files.heads,
      keepOptimizer: config.keepOptimizer,
      historyOnly: true,
      headsAtOnce: headsWithin(config.memoryLimit, form.dimension),
      parallel: options.pool && { pool: options.pool, tasks: mappingTasks },
      onMessage: (message) => {
        progress(message);
        if (message.kind === "epoch") log.add(message.report);
      },
      signal: options.signal,
    },
    trainGroupWithFiles,
  );
  const history = log.finish();
  for (const head of config.keepOptimizer ? [] : heads) await dropOptimizer(files.heads, head, form);
  await run.takePlace();
  return { history, directory: run.directory };
}

/**
 * Makes sure that shards have trained all heads before they are joined.
 *
 * @param total number of heads
 * @throws VillaError `Mismatch` naming the shards that have to run again
 */
async function requireTrained(folder: string, total: number, config: Stage1Config): Promise<void> {
  // Heads that may stop early are taken as they are; the run that joins them finishes those that were killed.
  const epochs = config.earlyStop.metric === "none" ? config.epochs : 0;
  const missing: number[] = [];
  for (let head = 0; head < total; head++) {
    const progress = await loadHeadProgress(folder, head);
    if (!progress || progress.epoch < epochs) missing.push(head);
  }
  requireParts(folder, { missing, total, owner: (head, count) => shardOwning(head, { total, count }) });
}

/**
 * Heads that were trained to the end have no optimiser's state any more.
 *
 * @throws VillaError `Mismatch` before any work
 */
async function requireTrainable(folder: string, heads: readonly number[], config: Stage1Config): Promise<void> {
  const {
    epochs,
    earlyStop: { metric, patience },
  } = config;
  for (const head of heads) {
    const progress = await loadHeadProgress(folder, head);
    if (!progress || progress.steps === 0 || progress.hasOptimizer || progress.epoch >= epochs) continue;
    const isStopped = metric !== "none" && earlyStoppingOf(progress, { patience }).stopped;
    if (isStopped) continue;
    const directory = join(config.checkpointDir, config.taskName);
    throw new VillaError(
      "Mismatch",
      `${directory} has ended with ${progress.epoch} epochs, and its optimiser's state was not kept, so epochs=${epochs} cannot go on from there. Train anew with resume=never (keep_optimizer=true allows more epochs later), or start another task_name from its weights: init_checkpoint=${join(directory, "last.pkl")}.`,
    );
  }
}

/** Makes a checkpoint of every head that has none from the weights of another model. */
async function seedHeads(
  { embeddings, form }: Stage1Input,
  folder: string,
  heads: readonly number[],
  path: string,
): Promise<void> {
  const { attributes } = embeddings;
  const model = await openMappingModel(path, { attributes, dimension: form.dimension, adapter: form.adapter });
  if (model.oneProj !== form.oneProj) {
    throw new VillaError("Mismatch", `${path} was trained with model.one_proj=${model.oneProj}; set the same here.`);
  }
  for (const head of heads) {
    if (await loadHeadProgress(folder, head)) continue;
    const weights = await model.load(head);
    const state = { head, epoch: 0, steps: 0, losses: [], validation: [], weights: headFrom((name) => weights[name]) };
    await saveHeadState(folder, state, { dimension: form.dimension, keepOptimizer: true });
  }
}

async function epochsLeft(folder: string, heads: readonly number[], epochs: number): Promise<number> {
  let left = 0;
  for (const head of heads) left += Math.max(0, epochs - ((await loadHeadProgress(folder, head))?.epoch ?? 0));
  return left;
}

/** Heads whose weights, gradients and AdamW moments fit. */
function headsWithin(gibibytes: number, dimension: number): number {
  return Math.max(1, Math.floor((gibibytes * 2 ** 30) / (4 * 8 * (dimension * dimension + dimension))));
}

function judgeOf({ data, truth, withoutTruth }: SplitData): Omit<ValidationSplit, "epsilon"> {
  return { data, truth, withoutTruth };
}

function firstEpsilon({ mapping: { epsilon } }: Stage1Config): number {
  if (typeof epsilon === "number") return epsilon;
  return typeof epsilon === "object" ? epsilon[0]! : defaultEpsilon;
}

import { join } from "node:path";
import { snakeCaseKeys, type TaskPool } from "@villa/core";
import { type ProgressListener, VillaError } from "@villa/data";
import {
  type AttributeEmbeddings,
  atomicWriteFile,
  checkEmbeddingManifest,
  type Dataset,
  noteShards,
  openDataset,
  readAttributeEmbeddings,
} from "@villa/data/node";
import type { Epsilon } from "../assign/assign.ts";
import type { MappingReport } from "../assign/report.ts";
import { defaultEpsilon, type Stage1Config, stage1Config } from "../config.ts";
import type { SplitData } from "../data/build-data.ts";
import { checkMappingData } from "../data/check-data.ts";
import { type HeadsOptions, headCount, headFrom } from "../model/heads.ts";
import type { HeadSource } from "../model/scores.ts";
import type { EpochSummary } from "../train/history.ts";
import { type Parallel, shardOf } from "../train/parallel.ts";
import { trainGroups } from "../train/train-groups.ts";
import { progressOf } from "../train/train-mapping.ts";
import { trainOptionsOfConfig } from "../train/train-options.ts";
import { headSource, loadHeadProgress, removeLeftovers, saveHeadState } from "./head-files.ts";
import { loadSplits } from "./load-splits.ts";
import { decideEpsilon, exclusiveGroups, judgeable, scoreSplitData, sweepOf, writeMapping } from "./map-split.ts";
import { openModel, writeTorchModel } from "./model-files.ts";
import { requireTrained } from "./require-trained.ts";
import { fingerprintOf, prepareFolder, type RunFolder, runFolder } from "./run-folder.ts";
import { EpochLog, savedHistory } from "./stage1-log.ts";
import { mappingTasks } from "./task-module.ts";
import { trainGroupWithFiles } from "./tasks.ts";

/** How {@link runStage1} and {@link runMapping} run. */
export interface RunOptions {
  /** Workers to spread the heads over, e.g. `createTaskPool()` of @villa/backend-node. Default: this thread. */
  readonly pool?: TaskPool | undefined;
  readonly onProgress?: ProgressListener | undefined;
  /** Called whenever all heads have finished an epoch. */
  readonly onEpoch?: ((summary: EpochSummary) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Only join and map what shards have trained; refuses when something is missing. */
  readonly mergeOnly?: boolean | undefined;
}

/** A mapped split. */
export interface MappedSplit {
  readonly split: string;
  readonly path: string;
  readonly images: number;
  /** Absent where the annotations do not tell the true attributes. */
  readonly report?: MappingReport | undefined;
}

/** What a run of Stage 1 gives. */
export interface Stage1Result {
  /** `<checkpointDir>/<taskName>` */
  readonly directory: string;
  readonly attributes: readonly string[];
  readonly history: readonly EpochSummary[];
  /** The ε that was used. */
  readonly epsilon?: Epsilon | undefined;
  /** Empty after a shard: other shards may still be missing. */
  readonly mappings: readonly MappedSplit[];
  /** Models in PyTorch's format. */
  readonly checkpoints: readonly string[];
}

/**
 * Stage 1 from files to files: trains the heads, maps every split, writes `mapping_<split>.feather` (into the run's folder
 * and the dataset folder), `last.pkl`, `metrics.jsonl` and `report.json`.
 *
 * Every head is saved after each of its epochs; the same call after an interruption goes on exactly where it was.
 *
 * @param config as `stage1Config` of the main entry makes it
 * @throws VillaError with a sentence for whatever is wrong with the configuration, the dataset or its embeddings
 */
export async function runStage1(config: Stage1Config, options: RunOptions = {}): Promise<Stage1Result> {
  const input = await openInput(stage1Config(config), true);
  const { folder, embeddings } = input;
  const heads = headCount(input.form.oneProj, embeddings.attributes.length);
  if (options.mergeOnly) await requireTrained(folder.heads, heads, input.config);
  const history = await train(input, options);
  const source = { ...input.form, attributes: embeddings.attributes };
  if (config.attributesShard !== null) {
    return { directory: folder.directory, attributes: embeddings.attributes, history, mappings: [], checkpoints: [] };
  }
  const checkpoints: string[] = [];
  if (await writeTorchModel(folder.last, headSource(folder.heads, source, "last"))) checkpoints.push(folder.last);
  const best = headSource(folder.heads, source, "best");
  if (config.earlyStop.metric !== "none" && (await writeTorchModel(folder.best, best))) checkpoints.push(folder.best);
  return mapSplits(input, best, options, { history, checkpoints });
}

/**
 * Maps with a model that has been trained before.
 *
 * @param options `checkpoint`: a run's folder, or a file such as the reference's `last.pkl`. Default: the configuration's own run
 * @throws VillaError as {@link runStage1}
 */
export async function runMapping(
  config: Stage1Config,
  options: RunOptions & { readonly checkpoint?: string | undefined } = {},
): Promise<Stage1Result> {
  const input = await openInput(stage1Config(config), false);
  const { attributes, dimension } = input.embeddings;
  const path = options.checkpoint ?? input.folder.directory;
  const model = await openModel(path, { attributes, dimension, adapter: config.model.adapter });
  const heads = Array.from({ length: headCount(model.oneProj, attributes.length) }, (_, head) => head);
  // The report of a run that is mapped again keeps its loss curve.
  const history = options.checkpoint === undefined ? await savedHistory(input.folder.heads, heads) : [];
  return mapSplits(input, model, options, { history, checkpoints: [] });
}

interface Stage1Input {
  readonly config: Stage1Config;
  readonly folder: RunFolder;
  readonly dataset: Dataset;
  readonly embeddings: AttributeEmbeddings;
  readonly form: HeadsOptions;
  readonly splits: ReadonlyMap<string, SplitData>;
}

async function openInput(config: Stage1Config, training: boolean): Promise<Stage1Input> {
  const dataset = await openDataset(config.dataDir);
  const embeddings = await readAttributeEmbeddings(config.dataDir);
  const { dimension } = embeddings;
  if (config.model.embDim !== null && config.model.embDim !== dimension) {
    throw new VillaError(
      "Mismatch",
      `model.emb_dim is ${config.model.embDim}, but the attribute embeddings in ${config.dataDir} have ${dimension} dimensions; set model.emb_dim=${dimension}.`,
    );
  }
  await checkEmbeddingManifest(config.dataDir, dataset.annotations);
  const mapped = config.mapping.splits ?? ["train", "val", "test"].filter((split) => dataset.splits.includes(split));
  const judges = config.validate || config.earlyStop.metric !== "none";
  const wantsValidation = (training && judges) || typeof config.mapping.epsilon !== "number";
  const names = new Set([...(training ? ["train"] : []), ...mapped]);
  if (wantsValidation && (judges || dataset.splits.includes("val"))) names.add("val");
  const splits = await loadSplits(config.dataDir, dataset.annotations, embeddings, [...names]);
  for (const [split, { data }] of splits) {
    checkMappingData(data, embeddings.values, embeddings.attributes, `the ${split} split`);
  }
  if (wantsValidation) requireTruth(config, splits.get("val"));
  const form = { dimension, oneProj: config.model.oneProj, adapter: config.model.adapter };
  return { config, folder: runFolder(config), dataset, embeddings, form, splits };
}

/** Judging by true attributes needs a validation split that tells them. */
function requireTruth({ earlyStop, mapping }: Stage1Config, validation: SplitData | undefined): void {
  if (validation?.truth) return;
  const [setting, instead] =
    earlyStop.metric === "f1"
      ? ["early_stop.metric=f1", "early_stop.metric=loss"]
      : typeof mapping.epsilon === "string"
        ? [`mapping.epsilon=${mapping.epsilon}`, "a number, such as mapping.epsilon=0.2"]
        : [];
  if (setting === undefined) return;
  throw new VillaError(
    "InvalidArgument",
    `${setting} needs a val split whose annotations tell the true attributes (reg_to_attr); give ${instead} instead.`,
  );
}

async function train(input: Stage1Input, options: RunOptions): Promise<EpochSummary[]> {
  const { config, folder, embeddings, form, splits } = input;
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
  await prepareFolder(folder, config, fingerprintOf(config, data, embeddings));
  await removeLeftovers(folder.heads, heads);
  if (config.attributesShard !== null) await noteShards(folder.heads, shard.count);
  if (config.initCheckpoint !== null) await seedHeads(input, heads, config.initCheckpoint);
  const suffix = config.attributesShard === null ? "" : `-${shard.index + 1}-of-${shard.count}`;
  const log = await EpochLog.open(
    folder.metrics.replace(/\.jsonl$/, `${suffix}.jsonl`),
    heads,
    folder.heads,
    options.onEpoch ?? (() => {}),
  );
  const progress = progressOf(options.onProgress, await stepsLeft(input, heads, images));
  const validation = splits.get("val");
  const judges = config.validate || config.earlyStop.metric !== "none";
  await trainGroups(
    {
      ...form,
      heads,
      data: data.data,
      attributeEmbeddings: embeddings.values,
      train: trainOptionsOfConfig(config),
      validation:
        judges && validation
          ? { data: validation.data, truth: validation.truth, epsilon: firstEpsilon(config) }
          : undefined,
      earlyStopping:
        config.earlyStop.metric === "none"
          ? undefined
          : (config.earlyStop as { metric: "loss" | "f1"; patience: number }),
      checkpoints: folder.heads,
      keepOptimizer: config.keepOptimizer,
      historyOnly: true,
      headsAtOnce: headsWithin(config.memoryLimit, form.dimension),
      parallel: parallelOf(options),
      onMessage: (message) => {
        progress(message);
        if (message.kind === "epoch") log.add(message.report);
      },
      signal: options.signal,
    },
    trainGroupWithFiles,
  );
  return log.finish();
}

async function mapSplits(
  input: Stage1Input,
  model: HeadSource,
  options: RunOptions,
  trained: Pick<Stage1Result, "history" | "checkpoints">,
): Promise<Stage1Result> {
  const { config, folder, dataset, embeddings, splits } = input;
  const { attributes } = embeddings;
  const exclusive = exclusiveGroups(config.mapping.exclusive, dataset.vocabulary, attributes);
  const running = { exclusive, onProgress: options.onProgress, signal: options.signal };
  const validation = splits.get("val");
  const scoredValidation = validation && (await scoreSplitData(validation, model, embeddings.values, running));
  const epsilon = decideEpsilon(config.mapping.epsilon, scoredValidation && judgeable(scoredValidation));
  const wanted = config.mapping.splits ?? ["train", "val", "test"].filter((split) => dataset.splits.includes(split));
  const mappings: MappedSplit[] = [];
  for (const split of wanted) {
    const scored =
      split === "val" && scoredValidation
        ? scoredValidation
        : await scoreSplitData(splits.get(split)!, model, embeddings.values, running);
    const paths = [folder.mapping(split), join(dataset.directory, `mapping_${split}.feather`)];
    const { seed, mapping } = config;
    const { vocabulary } = dataset;
    const report = await writeMapping(scored, attributes, {
      epsilon,
      seed,
      sweep: sweepOf(mapping),
      paths,
      vocabulary,
    });
    mappings.push({ split, path: paths[0]!, images: scored.annotations.length, report });
  }
  const result = { directory: folder.directory, attributes, epsilon, mappings, ...trained };
  await atomicWriteFile(folder.report, `${JSON.stringify({ config: snakeCaseKeys(config), ...result }, null, 1)}\n`);
  return result;
}

/** Makes a checkpoint of every head that has none from the weights of another model. */
async function seedHeads(
  { folder, embeddings, form }: Stage1Input,
  heads: readonly number[],
  path: string,
): Promise<void> {
  const { attributes } = embeddings;
  const model = await openModel(path, { attributes, dimension: form.dimension, adapter: form.adapter });
  if (model.oneProj !== form.oneProj) {
    throw new VillaError("Mismatch", `${path} was trained with model.one_proj=${model.oneProj}; set the same here.`);
  }
  for (const head of heads) {
    if (await loadHeadProgress(folder.heads, head)) continue;
    const weights = await model.load(head);
    const state = { head, epoch: 0, steps: 0, losses: [], validation: [], weights: headFrom((name) => weights[name]) };
    await saveHeadState(folder.heads, state, { dimension: form.dimension, keepOptimizer: true });
  }
}

async function stepsLeft({ config, folder }: Stage1Input, heads: readonly number[], images: number): Promise<number> {
  let epochs = 0;
  for (const head of heads) {
    epochs += Math.max(0, config.epochs - ((await loadHeadProgress(folder.heads, head))?.epoch ?? 0));
  }
  return epochs * Math.floor(images / config.batchSize);
}

/** Heads whose weights, gradients and AdamW moments fit. */
function headsWithin(gibibytes: number, dimension: number): number {
  return Math.max(1, Math.floor((gibibytes * 2 ** 30) / (4 * 8 * (dimension * dimension + dimension))));
}

const parallelOf = ({ pool }: RunOptions): Parallel | undefined => pool && { pool, tasks: mappingTasks };

function firstEpsilon({ mapping: { epsilon } }: Stage1Config): number {
  if (typeof epsilon === "number") return epsilon;
  return typeof epsilon === "object" ? epsilon[0]! : defaultEpsilon;
}

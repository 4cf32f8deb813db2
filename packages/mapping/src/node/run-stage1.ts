import { join } from "node:path";
import { snakeCaseKeys } from "@villa/core";
import { withoutTruthNote } from "@villa/data";
import { atomicWriteFile } from "@villa/data/node";
import type { Epsilon } from "../assign/assign.ts";
import { type Stage1Config, stage1Config } from "../config.ts";
import { headCount } from "../model/heads.ts";
import type { HeadSource } from "../model/scores.ts";
import type { EpochSummary } from "../train/history.ts";
import { headSource } from "./head-files.ts";
import { type MappedSplit, mapStage1 } from "./map-stage1.ts";
import { openMappingModel, writeTorchModel } from "./model-files.ts";
import { openStage1, type Stage1Input } from "./open-stage1.ts";
import { stage1Files } from "./stage1-files.ts";
import { savedHistory } from "./stage1-log.ts";
import { type Stage1RunOptions, trainStage1 } from "./train-stage1.ts";

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
  /** What to know about the figures, as sentences: which attributes no truth covers. */
  readonly notes: readonly string[];
}

/**
 * Stage 1 from files to files: trains the heads, maps every split, writes `mapping_<split>.feather` (into the run's folder
 * and the dataset folder), `last.pkl`, `metrics.jsonl` and `report.json`.
 *
 * Every head is saved after each of its epochs; the same call after an interruption goes on exactly where it was. With
 * `resume: "never"` earlier results stay until the new heads are trained.
 *
 * @param config as `stage1Config` of the main entry makes it
 * @throws VillaError with a sentence for whatever is wrong with the configuration, the dataset or its embeddings
 */
export async function runStage1(config: Stage1Config, options: Stage1RunOptions = {}): Promise<Stage1Result> {
  const input = await openStage1(stage1Config(config), true);
  const { attributes } = input.embeddings;
  const { history, directory } = await trainStage1(input, options);
  if (config.attributesShard !== null)
    return { directory, attributes, history, mappings: [], checkpoints: [], notes: [] };
  const files = stage1Files(directory);
  const source = { ...input.form, attributes };
  const checkpoints: string[] = [];
  if (await writeTorchModel(files.last, headSource(files.heads, { ...source, which: "last" })))
    checkpoints.push(files.last);
  const best = headSource(files.heads, { ...source, which: "best" });
  if (config.earlyStop.metric !== "none" && (await writeTorchModel(files.best, best))) checkpoints.push(files.best);
  return mapAndReport(input, best, directory, { ...options, history, checkpoints });
}

/**
 * Maps with a model that has been trained before.
 *
 * @param options `checkpoint`: a run's folder, or a file such as the reference's `last.pkl`. Default: the configuration's own run
 * @throws VillaError as {@link runStage1}
 */
export async function runMapping(
  config: Stage1Config,
  options: Stage1RunOptions & { readonly checkpoint?: string | undefined } = {},
): Promise<Stage1Result> {
  const input = await openStage1(stage1Config(config), false);
  const { attributes, dimension } = input.embeddings;
  const directory = join(config.checkpointDir, config.taskName);
  const path = options.checkpoint ?? directory;
  const model = await openMappingModel(path, { attributes, dimension, adapter: config.model.adapter });
  const heads = Array.from({ length: headCount(model.oneProj, attributes.length) }, (_, head) => head);
  // The report of a run that is mapped again keeps its loss curve.
  const history = options.checkpoint === undefined ? await savedHistory(stage1Files(directory).heads, heads) : [];
  return mapAndReport(input, model, directory, { ...options, history, checkpoints: [] });
}

/** Maps every split and writes `report.json`. */
async function mapAndReport(
  input: Stage1Input,
  model: HeadSource,
  directory: string,
  { history, checkpoints, ...options }: Stage1RunOptions & Pick<Stage1Result, "history" | "checkpoints">,
): Promise<Stage1Result> {
  const { epsilon, mappings } = await mapStage1(input, model, { directory, ...options });
  const { attributes } = input.embeddings;
  const note = mappings.some(({ report }) => report) ? withoutTruthNote(input.dataset.vocabulary) : undefined;
  const notes = note === undefined ? [] : [note];
  const result = { directory, attributes, epsilon, mappings, history, checkpoints, notes };
  const report = { config: snakeCaseKeys(input.config), ...result };
  await atomicWriteFile(stage1Files(directory).report, `${JSON.stringify(report, null, 1)}\n`);
  return result;
}

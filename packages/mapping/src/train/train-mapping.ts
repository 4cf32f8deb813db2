import type { ProgressListener } from "@villa/data";
import { checkArgument } from "@villa/data";
import type { MappingData } from "../data/batches.ts";
import { checkMappingData } from "../data/check-data.ts";
import type { EarlyStoppingOptions } from "../model/head-state.ts";
import { headCount } from "../model/heads.ts";
import { type MappingModel, makeModel } from "../model/model.ts";
import { type EpochSummary, summarizeHistory } from "./history.ts";
import type { Parallel } from "./parallel.ts";
import { type TrainMessage, trainGroupInMemory, trainGroups } from "./train-groups.ts";
import { type TrainOptions, trainOptions } from "./train-options.ts";
import type { ValidationSplit } from "./validate.ts";

export interface TrainMappingOptions extends MappingData, Partial<TrainOptions> {
  /** [A, d] float32, each of norm 1. */
  readonly attributeEmbeddings: Float32Array;
  /** Names of the A attributes. Default "0", "1", … */
  readonly attributes?: readonly string[] | undefined;
  /** One head shared by all attributes. Default false. */
  readonly oneProj?: boolean | undefined;
  /** Head output · 0.2 + input · 0.8. Default false. */
  readonly adapter?: boolean | undefined;
  /** A split to judge every epoch by. */
  readonly validation?: ValidationSplit | undefined;
  /** Use each head's best epoch and stop it when it no longer improves; needs `validation`. */
  readonly earlyStopping?: EarlyStoppingOptions | undefined;
  /** Workers to spread the heads over. Default: this thread. */
  readonly parallel?: Parallel | undefined;
  readonly onProgress?: ProgressListener | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A trained model and how it got there. */
export interface TrainedMapping extends MappingModel {
  readonly history: readonly EpochSummary[];
}

/**
 * Trains the mapping model (paper §3.2, stage 1) on the current backend or on workers; nothing touches files.
 *
 * @example
 * const model = await trainMapping({ regions, counts, labels, attributeEmbeddings, epochs: 3, batchSize: 4 });
 * @throws VillaError `Mismatch`, `NotFinite` for data that do not fit together; `InvalidArgument` for options out of range and a batch larger than the
 * data; `NotFinite` when the loss diverges; `Aborted` on the signal
 */
export async function trainMapping(options: TrainMappingOptions): Promise<TrainedMapping> {
  checkArgument("options", options, {
    attributeEmbeddings: "numbers",
    "attributes?": ["text"],
    "oneProj?": "boolean",
    "adapter?": "boolean",
    "validation?": { data: "object", "truth?": "bytes", epsilon: "number" },
    "earlyStopping?": { metric: "'loss' | 'f1'", patience: "number" },
    "parallel?": { pool: "object", tasks: "text" },
    "onProgress?": "function",
    "signal?": "object",
    regions: "numbers",
    counts: "numbers",
    labels: "bytes",
  });

  const { regions, counts, labels, attributeEmbeddings, validation, earlyStopping, parallel, signal } = options;
  const data = { regions, counts, labels };
  const total = options.attributes?.length ?? (counts.length === 0 ? 0 : labels.length / counts.length);
  const attributes = options.attributes ?? Array.from({ length: total }, (_, a) => String(a));
  const named = { names: attributes, embeddings: attributeEmbeddings };
  const { dimension } = checkMappingData(data, named);
  if (validation) checkMappingData(validation.data, named, { what: "the validation data" });
  const train = trainOptions(options);
  const form = { dimension, oneProj: options.oneProj ?? false, adapter: options.adapter ?? false };
  const heads = Array.from({ length: headCount(form.oneProj, total) }, (_, head) => head);
  const steps = train.epochs * Math.floor(counts.length / train.batchSize) * heads.length;
  const results = await trainGroups(
    {
      data,
      attributeEmbeddings,
      train,
      validation,
      earlyStopping,
      heads,
      parallel,
      signal,
      ...form,
      onMessage: progressOf(options.onProgress, steps),
    },
    trainGroupInMemory,
  );
  const model = makeModel(
    { ...form, attributes },
    results.map(({ weights }) => weights!),
  );
  return {
    ...model,
    history: summarizeHistory(
      results,
      results.map(() => true),
    ),
  };
}

/** Turns messages of trainers into progress: `total` head steps in all. */
export function progressOf(onProgress: ProgressListener | undefined, total: number): (message: TrainMessage) => void {
  let done = 0;
  return (message) => {
    if (message.kind !== "steps") return;
    done += message.heads;
    onProgress?.({ task: "training heads", done, total, unit: "head steps" });
  };
}

import { isVillaError, type ProgressListener } from "@villa/data";
import {
  defaultEpsilon,
  type EpochSummary,
  type HeadEpoch,
  type HeadWeights,
  type MappingModel,
  makeModel,
  summarizeHistory,
  type TrainOptions,
  trainHeads,
} from "@villa/mapping";
import type { EmbeddedDataset } from "./embed.ts";

export interface TrainedModel {
  readonly model: MappingModel;
  readonly history: readonly EpochSummary[];
  /** False when the signal ended it. */
  readonly complete: boolean;
}

/**
 * Trains one head for every attribute and tells of each head and each epoch.
 *
 * @param onHead called with the head's weights after each of its epochs; training waits for the last call
 * @throws VillaError `Aborted` when it is stopped before its first epoch is finished; else as `trainHeads`
 */
export async function train(
  { attributes, attributeEmbeddings, splits }: EmbeddedDataset,
  options: TrainOptions,
  listeners: {
    readonly onHead: (head: number, weights: HeadWeights) => Promise<void>;
    readonly onEpoch: (epoch: EpochSummary) => void;
    readonly onProgress: ProgressListener;
    readonly signal: AbortSignal;
  },
): Promise<TrainedModel> {
  const { onHead, onEpoch, onProgress, signal } = listeners;
  const form = { dimension: attributeEmbeddings.length / attributes.length, oneProj: false, adapter: false };
  const data = splits.get("train")!.data;
  const val = splits.get("val");
  const histories = attributes.map(() => ({
    losses: [] as number[],
    validation: [] as NonNullable<HeadEpoch["validation"]>[],
  }));
  const latest: HeadWeights[] = [];
  let steps = 0;
  const total = attributes.length * options.epochs * Math.floor(data.counts.length / options.batchSize);
  let epochs = 0;
  const onHeadEpoch = ({ head, loss, validation }: HeadEpoch): void => {
    histories[head]!.losses.push(loss);
    if (validation) histories[head]!.validation.push(validation);
    if (histories.some(({ losses }) => losses.length <= epochs)) return;
    onEpoch(summarizeHistory(histories)[epochs++]!);
  };
  const finished = (complete: boolean): TrainedModel => ({
    model: makeModel({ ...form, attributes }, latest),
    history: summarizeHistory(histories),
    complete,
  });
  try {
    await trainHeads({
      data,
      attributeEmbeddings,
      train: options,
      heads: attributes.map((_, head) => head),
      signal,
      onHeadEpoch,
      ...form,
      validation: val
        ? { data: val.data, truth: val.truth, withoutTruth: val.withoutTruth, epsilon: defaultEpsilon }
        : undefined,
      onStep: (heads) => {
        steps += heads;
        onProgress({ task: "training heads", done: steps, total, unit: "head steps" });
      },
      save: async ({ head, weights }) => {
        latest[head] = weights;
        await onHead(head, weights);
      },
    });
    return finished(true);
  } catch (error) {
    if (!isVillaError(error, "Aborted")) throw error;
    if (epochs === 0) throw signal.reason;
    return finished(false);
  }
}

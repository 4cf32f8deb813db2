import * as tf from "@tensorflow/tfjs-core";
import { contrastiveMicroBatch, type LossAndGradients } from "@villa/core";
import { checkArgument, VillaError } from "@villa/data";
import type { ImageTower } from "@villa/encoders";
import type { ContrastiveBatch, ImageGroup } from "./batch.ts";
import type { ContrastiveObjective } from "./objective.ts";
import { embedRegions, towerRule } from "./region-encoder.ts";

/**
 * The loss of a batch and its gradients by torch parameter name, those of what the loss learns among them.
 *
 * With `microBatch` the images pass through the tower in chunks: all are embedded first, the loss is taken over all
 * pairs, and then each chunk is run again with a tape to carry its part of the gradient. Loss and gradients are those of
 * the whole batch; only BatchNorm sees one chunk at a time, as in data-parallel training.
 *
 * @param options `objective`: the loss; `microBatch`: images a chunk, 0 = all at once; `parameters`: what is trained,
 *   default all of the tower's
 * @returns the caller disposes the gradients
 * @throws VillaError `Mismatch` for a batch of fewer than two pairs
 */
export async function contrastiveGradients(
  tower: ImageTower,
  batch: ContrastiveBatch,
  options: {
    readonly objective: ContrastiveObjective;
    readonly microBatch?: number | undefined;
    readonly parameters?: ReadonlyMap<string, tf.Variable> | undefined;
  },
): Promise<LossAndGradients> {
  checkArgument("tower", tower, towerRule);
  checkArgument("batch", batch, { groups: ["object"], text: "tensor2", pairs: "number" });
  checkArgument("options", options, {
    objective: { parameters: "Map", loss: "function", clamp: "function", dispose: "function" },
    "microBatch?": "number",
    "parameters?": "Map",
  });
  const { objective, microBatch = 0, parameters = tower.trainableVariables() } = options;

  if (batch.pairs < 2) {
    throw new VillaError(
      "Mismatch",
      `A contrastive step needs at least two region-text pairs; this batch has ${batch.pairs}.`,
    );
  }
  const chunks = splitBatch(batch, microBatch);
  try {
    return await contrastiveMicroBatch({
      chunks,
      embed: (groups, pass) => embedRegions(tower, groups, { training: true, updateStatistics: pass === "embed" }),
      loss: (embeddings) => objective.loss(embeddings, batch.text),
      parameters,
      lossParameters: objective.parameters,
    });
  } finally {
    const own = new Set(batch.groups.map(({ images }) => images));
    tf.dispose(chunks.flat().flatMap(({ images }) => (own.has(images) ? [] : [images])));
  }
}

/** The loss of a batch in evaluation mode. */
export async function contrastiveLoss(
  tower: ImageTower,
  batch: ContrastiveBatch,
  objective: ContrastiveObjective,
): Promise<number> {
  checkArgument("tower", tower, towerRule);
  checkArgument("batch", batch, { groups: ["object"], text: "tensor2", pairs: "number" });
  checkArgument("objective", objective, {
    parameters: "Map",
    loss: "function",
    clamp: "function",
    dispose: "function",
  });

  const loss = tf.tidy(() => objective.loss(embedRegions(tower, batch.groups), batch.text));
  const [value] = await loss.data();
  loss.dispose();
  return value!;
}

/** Chunks of at most `size` images; the batch's own groups when nothing has to be cut. */
function splitBatch({ groups }: ContrastiveBatch, size: number): (readonly ImageGroup[])[] {
  const images = groups.reduce((sum, group) => sum + group.images.shape[0], 0);
  if (size <= 0 || images <= size) return [groups];
  return groups.flatMap((group) => {
    const [count] = group.images.shape;
    const starts = Array.from({ length: Math.ceil(count / size) }, (_, i) => i * size);
    return starts.map((start) => [sliceGroup(group, start, Math.min(start + size, count))]);
  });
}

function sliceGroup({ images, regions }: ImageGroup, start: number, end: number): ImageGroup {
  const isInside = (row: number) => regions.imageIndex[row]! >= start && regions.imageIndex[row]! < end;
  const rows = Array.from(regions.imageIndex, (_, row) => row).filter(isInside);
  return {
    images: tf.slice(images, [start, 0, 0, 0], [end - start, -1, -1, -1]),
    regions: {
      imageWidth: regions.imageWidth,
      boxes: rows.flatMap((row) => [0, 1, 2, 3].map((side) => regions.boxes[row * 4 + side]!)),
      imageIndex: rows.map((row) => regions.imageIndex[row]! - start),
      masks: regions.masks && rows.map((row) => regions.masks![row]!),
    },
  };
}

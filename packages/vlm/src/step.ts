import * as tf from "@tensorflow/tfjs-core";
import { infoNCE } from "@villa/core";
import { VillaError } from "@villa/data";
import type { ModifiedResNet } from "@villa/preprocess";
import type { ContrastiveBatch } from "./batch.ts";
import { embedRegions } from "./regionEncoder.ts";

/** The loss of one batch and its gradients by torch parameter name. The caller disposes `gradients`. */
export interface ContrastiveGradients {
  readonly loss: number;
  readonly gradients: Record<string, tf.Tensor>;
}

/**
 * Symmetric InfoNCE of a batch and its gradients.
 *
 * With `microBatch` the images pass through the tower in chunks: all are embedded first, the loss is taken over all
 * pairs, and then each chunk is run again with a tape to carry its part of the gradient. Loss and gradients are those of
 * the whole batch; only BatchNorm sees one chunk at a time, as in data-parallel training.
 *
 * @param temperature τ of the loss
 * @param microBatch images a chunk; 0 = all at once
 * @throws VillaError `NotFinite` when the loss is NaN or infinite, `Mismatch` for a batch of fewer than two pairs
 */
export function contrastiveGradients(
  tower: ModifiedResNet,
  batch: ContrastiveBatch,
  { temperature = 0.07, microBatch = 0 }: { temperature?: number; microBatch?: number } = {},
): ContrastiveGradients {
  if (batch.pairs < 2) {
    throw new VillaError(
      "Mismatch",
      `A contrastive step needs at least two region-text pairs; this batch has ${batch.pairs}.`,
    );
  }
  const chunks = splitBatch(batch, microBatch);
  const names = tower.trainableVariables();
  const result =
    chunks.length === 1
      ? wholeBatch(tower, batch, names, temperature)
      : chunkedBatch(tower, batch, chunks, names, temperature);
  disposeViews(batch, chunks);
  if (!Number.isFinite(result.loss)) {
    tf.dispose(result.gradients);
    throw new VillaError(
      "NotFinite",
      `The loss became ${result.loss}; lower the learning rate or check the embeddings.`,
    );
  }
  return result;
}

/** Mean InfoNCE of a batch in evaluation mode. */
export function contrastiveLoss(tower: ModifiedResNet, batch: ContrastiveBatch, temperature = 0.07): number {
  const loss = tf.tidy(() => infoNCE(embedRegions(tower, batch.groups), batch.text, temperature));
  const [value] = loss.dataSync();
  loss.dispose();
  return value!;
}

type Variables = ReadonlyMap<string, tf.Variable>;

function wholeBatch(
  tower: ModifiedResNet,
  { groups, text }: ContrastiveBatch,
  variables: Variables,
  temperature: number,
): ContrastiveGradients {
  const objective = () => infoNCE(embedRegions(tower, groups, { training: true }), text, temperature);
  const { value, grads } = tf.variableGrads(objective as () => tf.Scalar, [...variables.values()]);
  const [loss] = value.dataSync();
  value.dispose();
  return { loss: loss!, gradients: byTorchName(grads, variables) };
}

function chunkedBatch(
  tower: ModifiedResNet,
  { text }: ContrastiveBatch,
  chunks: readonly ContrastiveBatch["groups"][],
  variables: Variables,
  temperature: number,
): ContrastiveGradients {
  const parts = chunks.map((groups) => embedRegions(tower, groups, { training: true }));
  const all = tf.concat2d(parts, 0);
  const { value, grad } = tf.tidy(() =>
    tf.valueAndGrad((embeddings) => infoNCE(embeddings as tf.Tensor2D, text, temperature))(all),
  );
  const [loss] = value.dataSync();
  const sums: Record<string, tf.Tensor> = {};
  let row = 0;
  chunks.forEach((groups, i) => {
    const rows = parts[i]!.shape[0];
    const upstream = tf.slice(grad, [row, 0], [rows, -1]);
    row += rows;
    // d loss / d w of this chunk = gradient of <embeddings, upstream>, upstream held constant.
    const objective = () =>
      tf.sum(tf.mul(embedRegions(tower, groups, { training: true, updateStatistics: false }), upstream));
    const { value: inner, grads } = tf.variableGrads(objective as () => tf.Scalar, [...variables.values()]);
    for (const [name, gradient] of Object.entries(byTorchName(grads, variables))) {
      const before = sums[name];
      sums[name] = before ? tf.add(before, gradient) : gradient;
      if (before) tf.dispose([before, gradient]);
    }
    tf.dispose([inner, upstream]);
  });
  tf.dispose([value, grad, all, ...parts]);
  return { loss: loss!, gradients: sums };
}

/** TF.js keys gradients by its own variable names; checkpoints and optimisers use torch's. */
function byTorchName(grads: tf.NamedTensorMap, variables: Variables): Record<string, tf.Tensor> {
  const gradients: Record<string, tf.Tensor> = {};
  for (const [name, variable] of variables) {
    const gradient = grads[variable.name];
    if (gradient) gradients[name] = gradient;
  }
  return gradients;
}

/** Chunks of at most `size` images; the batch's own groups when nothing has to be cut. */
function splitBatch({ groups }: ContrastiveBatch, size: number): ContrastiveBatch["groups"][] {
  const images = groups.reduce((sum, group) => sum + group.images.shape[0], 0);
  if (size <= 0 || images <= size) return [groups];
  return groups.flatMap(({ images, regions }) => {
    const [count] = images.shape;
    const chunks: ContrastiveBatch["groups"][] = [];
    for (let start = 0; start < count; start += size) {
      const end = Math.min(start + size, count);
      const rows = Array.from(regions.imageIndex, (_, row) => row).filter(
        (row) => regions.imageIndex[row]! >= start && regions.imageIndex[row]! < end,
      );
      chunks.push([
        {
          images: tf.slice(images, [start, 0, 0, 0], [end - start, -1, -1, -1]),
          regions: {
            imageWidth: regions.imageWidth,
            boxes: rows.flatMap((row) => [0, 1, 2, 3].map((side) => regions.boxes[row * 4 + side]!)),
            imageIndex: rows.map((row) => regions.imageIndex[row]! - start),
          },
        },
      ]);
    }
    return chunks;
  });
}

function disposeViews(batch: ContrastiveBatch, chunks: readonly ContrastiveBatch["groups"][]): void {
  if (chunks.length === 1) return;
  const own = new Set(batch.groups.map(({ images }) => images));
  tf.dispose(chunks.flatMap((groups) => groups.map(({ images }) => images).filter((images) => !own.has(images))));
}

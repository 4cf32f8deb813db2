import { type MappingData, makeBatch, positivesPerImage, regionOffsets } from "../data/batches.ts";
import type { HeadValidation } from "../model/head-state.ts";
import type { HeadTrainer } from "../model/head-trainer.ts";

/** A split to judge heads by while they are trained. */
export interface ValidationSplit {
  readonly data: MappingData;
  /** [R, A] 1 where the region truly has the attribute; without it only the loss is known. */
  readonly truth?: Uint8Array | undefined;
  /** Attributes that `truth` does not cover; of their heads only the loss is known. */
  readonly withoutTruth?: readonly number[] | undefined;
  /** ε of the assignment that `truth` judges. */
  readonly epsilon: number;
}

/** Judges every head of a trainer, in batches of the training's size, incomplete last batch included. */
export async function validateHeads(trainer: HeadTrainer, split: ValidationSplit): Promise<HeadValidation[]> {
  const { data, truth } = split;
  const uncovered = new Set(split.withoutTruth);
  const images = data.counts.length;
  const total = data.labels.length / images;
  const imageOffsets = regionOffsets(data.counts);
  const imagePositives = positivesPerImage(data.labels, images);
  const losses = trainer.heads.map(() => 0);
  const counts = trainer.attributes.map((own) =>
    truth && own.some((attribute) => !uncovered.has(attribute)) ? { correct: 0, assigned: 0, truth: 0 } : undefined,
  );
  let batches = 0;
  for (let start = 0; start < images; start += trainer.options.batchSize) {
    const size = Math.min(trainer.options.batchSize, images - start);
    const batch = makeBatch(
      Int32Array.from({ length: size }, (_, i) => start + i),
      { offsets: imageOffsets, positives: imagePositives },
    );
    const x = trainer.stack.rows(data.regions, batch.rows);
    const scores = await trainer.stack.score(x);
    x.dispose();
    batches++;
    trainer.forEachAttribute(scores, data, batch, ({ position, attribute, loss, labels, cosine }) => {
      losses[position]! += loss;
      const count = counts[position];
      if (!truth || !count || uncovered.has(attribute)) return;
      labels.forEach((label, i) => {
        const [first, end] = [batch.offsets[i]!, batch.offsets[i + 1]!];
        let best = Number.NEGATIVE_INFINITY;
        for (let r = first; r < end; r++) best = Math.max(best, cosine(r));
        for (let r = first; r < end; r++) {
          const isTrue = truth[batch.rows[r]! * total + attribute]!;
          count.truth += isTrue;
          if (label !== 1 || !(cosine(r) > best - split.epsilon)) continue;
          count.assigned++;
          count.correct += isTrue;
        }
      });
    });
  }
  return losses.map((loss, i) => ({ loss: loss / batches, counts: counts[i] }));
}

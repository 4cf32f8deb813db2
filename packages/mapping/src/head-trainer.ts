import * as tf from "@tensorflow/tfjs-core";
import { VillaError } from "@villa/data";
import { AdamW } from "./adamw.ts";
import { type Batch, gatherRows, type MappingData } from "./batches.ts";
import { HeadStack, type RowGradient, readHead, type StackForward } from "./head-stack.ts";
import { type HeadsOptions, type HeadWeights, initialHead } from "./heads.ts";
import { attributeLoss } from "./loss.ts";
import { learningRateAt, type TrainOptions } from "./train-options.ts";

/** Everything needed to go on training one head as if it had never stopped. */
export interface HeadState {
  readonly head: number;
  /** Epochs finished. */
  readonly epoch: number;
  /** Optimiser steps taken. */
  readonly steps: number;
  readonly weights: HeadWeights;
  /** AdamW's running means of the gradient and of its square; absent when they were not kept. */
  readonly mean?: HeadWeights;
  readonly meanSquare?: HeadWeights;
  /** Mean share of the loss in each finished epoch. */
  readonly losses: readonly number[];
}

/** State of a head before its first step. */
export function newHeadState(head: number, dimension: number, seed: number): HeadState {
  return { head, epoch: 0, steps: 0, weights: initialHead(head, dimension, seed), losses: [] };
}

export interface HeadTrainerOptions extends TrainOptions, HeadsOptions {
  /** [A, d] embeddings of all attributes. */
  readonly attributeEmbeddings: Float32Array;
  /** Steps of the whole training, for the learning rate schedule. */
  readonly totalSteps: number;
}

/** Trains a stack of heads, which are all at the same step. */
export class HeadTrainer {
  readonly heads: readonly number[];
  readonly stack: HeadStack;
  readonly #options: HeadTrainerOptions;
  readonly #optimizer: AdamW;
  readonly #losses: number[][];
  /** For each head the attributes it scores. */
  readonly #attributes: readonly (readonly number[])[];
  #epoch: number;

  constructor(states: readonly HeadState[], options: HeadTrainerOptions) {
    const { dimension, attributeEmbeddings, oneProj } = options;
    const first = states[0]!;
    const total = attributeEmbeddings.length / dimension;
    this.#options = options;
    this.heads = states.map(({ head }) => head);
    this.#attributes = this.heads.map((head) => (oneProj ? Array.from({ length: total }, (_, a) => a) : [head]));
    this.stack = new HeadStack(
      states.map(({ weights }) => weights),
      this.#attributes.map((attributes) => gatherRows(attributeEmbeddings, dimension, attributes)),
      options,
    );
    this.#optimizer = new AdamW(this.stack.variables, options);
    if (first.steps > 0) this.#resume(states);
    this.#epoch = first.epoch;
    this.#losses = states.map(({ losses }) => [...losses]);
  }

  /** Epochs finished. */
  get epoch(): number {
    return this.#epoch;
  }

  /** One pass over the batches of an epoch. */
  async trainEpoch(data: MappingData, batches: readonly Batch[], onStep?: () => void): Promise<void> {
    const sums = this.heads.map(() => 0);
    for (const batch of batches) {
      const shares = await this.trainStep(data, batch);
      shares.forEach((share, g) => {
        if (!Number.isFinite(share)) throw notFinite(this.heads[g]!, this.#epoch);
        sums[g]! += share;
      });
      onStep?.();
    }
    this.#epoch++;
    this.#losses.forEach((losses, g) => {
      losses.push(batches.length === 0 ? 0 : sums[g]! / batches.length);
    });
  }

  /** One optimiser step. @returns [G] each head's share of the batch loss */
  async trainStep(data: MappingData, batch: Batch): Promise<number[]> {
    this.#optimizer.learningRate = learningRateAt(this.#optimizer.steps, this.#options.totalSteps, this.#options);
    const { shares, gradients } = await this.lossAndGradients(data, batch);
    this.#optimizer.step(gradients);
    tf.dispose(gradients);
    return shares;
  }

  /** Shares of the batch loss and its gradients. Heads whose attributes no image of the batch mentions get zeros. */
  async lossAndGradients(
    data: MappingData,
    batch: Batch,
  ): Promise<{ shares: number[]; gradients: Record<string, tf.Tensor> }> {
    const total = data.labels.length / data.counts.length;
    const labels = this.#attributes.map((attributes) =>
      attributes.map((a) => columnOf(data.labels, total, batch.images, a)),
    );
    if (!labels.flat(2).some((column) => column.includes(1))) {
      return { shares: this.heads.map(() => 0), gradients: this.stack.zeroGradients() };
    }
    const { dimension } = this.#options;
    const x = tf.tensor2d(gatherRows(data.regions, dimension, batch.rows), [batch.rows.length, dimension]);
    const forward = await this.stack.forward(x);
    try {
      const { shares, gradient } = this.#lossOf(forward, labels, batch);
      const gradients =
        gradient.rows.length === 0 ? this.stack.zeroGradients() : this.stack.gradients(forward, gradient);
      return { shares, gradients };
    } finally {
      forward.dispose();
      x.dispose();
    }
  }

  /** @param index position in {@link heads} */
  async state(index: number): Promise<HeadState> {
    return {
      head: this.heads[index]!,
      epoch: this.#epoch,
      steps: this.#optimizer.steps,
      weights: await this.stack.weights(index),
      mean: await readHead(this.#optimizer.mean, index),
      meanSquare: await readHead(this.#optimizer.meanSquare, index),
      losses: [...this.#losses[index]!],
    };
  }

  dispose(): void {
    this.#optimizer.dispose();
    this.stack.dispose();
  }

  /** @param labels per head, per attribute of the head: [B] */
  #lossOf(
    forward: StackForward,
    labels: readonly (readonly Uint8Array[])[],
    batch: Batch,
  ): { shares: number[]; gradient: RowGradient } {
    const rows = batch.rows.length;
    const attributes = labels[0]!.length;
    const losses = labels.map((columns, g) =>
      columns.map((column, a) =>
        attributeLoss(
          { values: forward.cosines, offset: g * rows * attributes + a, stride: attributes },
          batch.offsets,
          column,
          batch.positives,
          this.#options.temperature,
        ),
      ),
    );
    const shares = losses.map((head) => head.reduce((sum, { loss }) => sum + loss, 0));
    if (attributes === 1) {
      // One attribute a head: exactly one row of every image is selected, the same number for all heads of the stack.
      const images = batch.images.length;
      const selected = new Int32Array(losses.length * images);
      const byCosine = new Float64Array(losses.length * images);
      losses.forEach(([loss], g) => {
        selected.set(loss!.bestRows, g * images);
        byCosine.set(loss!.gradient, g * images);
      });
      return { shares, gradient: { rows: selected, byCosine } };
    }
    return { shares, gradient: mergeRows(losses[0]!, rows) };
  }

  #resume(states: readonly HeadState[]): void {
    void states;
    throw new VillaError("Unsupported", "resume: not yet");
  }
}

/** Gradients of several attributes that share a head: the union of their selected rows. */
function mergeRows(losses: readonly { bestRows: Int32Array; gradient: Float64Array }[], rows: number): RowGradient {
  const position = new Int32Array(rows).fill(-1);
  const selected: number[] = [];
  for (const { bestRows, gradient } of losses) {
    bestRows.forEach((row, i) => {
      if (gradient[i] !== 0 && position[row]! < 0) position[row] = selected.push(row) - 1;
    });
  }
  const byCosine = new Float64Array(selected.length * losses.length);
  losses.forEach(({ bestRows, gradient }, a) => {
    bestRows.forEach((row, i) => {
      if (gradient[i] !== 0) byCosine[position[row]! * losses.length + a]! += gradient[i]!;
    });
  });
  return { rows: Int32Array.from(selected), byCosine };
}

/** [B] labels of the images for one attribute. */
function columnOf(labels: Uint8Array, attributes: number, images: Int32Array, attribute: number): Uint8Array {
  return Uint8Array.from(images, (image) => labels[image * attributes + attribute]!);
}

function notFinite(head: number, epoch: number): VillaError {
  return new VillaError(
    "NotFinite",
    `The loss of head ${head} stopped being a number in epoch ${epoch + 1}; lower optimizer.lr or raise loss.temp.`,
  );
}

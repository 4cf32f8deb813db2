import * as tf from "@tensorflow/tfjs-core";
import { AdamW } from "@villa/core";
import { type TensorData, VillaError } from "@villa/data";
import { type Batch, gatherRows, type MappingData } from "../data/batches.ts";
import { learningRateAt, type TrainOptions } from "../train/train-options.ts";
import { HeadStack, type RowGradient, type RowScores } from "./head-stack.ts";
import type { HeadState } from "./head-state.ts";
import { type HeadsOptions, type HeadWeights, headFrom, headParameters, joinHeads, separateHead } from "./heads.ts";
import { type AttributeLoss, attributeLoss } from "./loss.ts";

export interface HeadTrainerOptions extends TrainOptions, HeadsOptions {
  /** [A, d] embeddings of all attributes. */
  readonly attributeEmbeddings: Float32Array;
  /** Steps of the whole training, for the learning rate schedule. */
  readonly totalSteps: number;
}

/** One attribute's part in a batch. */
export interface AttributeVisit extends AttributeLoss {
  /** Which of the trainer's heads scores it. */
  readonly position: number;
  readonly attribute: number;
  /** [B] */
  readonly labels: Uint8Array;
  /** Cosine of a row of the batch. */
  cosine(row: number): number;
}

/** Trains a stack of heads, which are all at the same step. */
export class HeadTrainer {
  readonly heads: readonly number[];
  readonly stack: HeadStack;
  readonly options: HeadTrainerOptions;
  /** For each head the attributes it scores. */
  readonly attributes: readonly (readonly number[])[];
  readonly #optimizer: AdamW;
  #steps: number;

  constructor(states: readonly HeadState[], options: HeadTrainerOptions) {
    const { dimension, attributeEmbeddings, oneProj } = options;
    const total = attributeEmbeddings.length / dimension;
    this.options = options;
    this.heads = states.map(({ head }) => head);
    this.attributes = this.heads.map((head) => (oneProj ? Array.from({ length: total }, (_, a) => a) : [head]));
    this.stack = new HeadStack(
      states.map(({ weights }) => weights),
      this.attributes.map((attributes) => gatherRows(attributeEmbeddings, attributes, { dimension })),
      options,
    );
    this.#optimizer = new AdamW({
      parameters: this.stack.variables,
      learningRate: options.learningRate,
      betas: options.betas,
      adamEpsilon: options.adamEpsilon,
      weightDecay: options.weightDecay,
    });
    this.#steps = states[0]!.steps;
    if (this.#steps > 0) this.#resumeOptimizer(states);
  }

  /** One pass over the batches of an epoch. @returns [G] each head's mean share of the loss */
  async trainEpoch(
    data: MappingData,
    { batches, onStep }: { readonly batches: readonly Batch[]; readonly onStep?: (() => void) | undefined },
  ): Promise<number[]> {
    const sums = this.heads.map(() => 0);
    for (const batch of batches) {
      const shares = await this.trainStep(data, batch);
      shares.forEach((share, g) => {
        if (!Number.isFinite(share)) throw notFinite(this.heads[g]!, this.#steps);
        sums[g]! += share;
      });
      onStep?.();
    }
    return sums.map((sum) => sum / Math.max(1, batches.length));
  }

  /** One optimiser step. @returns [G] each head's share of the batch loss */
  async trainStep(data: MappingData, batch: Batch): Promise<number[]> {
    this.#optimizer.learningRate = learningRateAt(this.#steps, this.options.totalSteps, this.options);
    const { shares, gradients } = await this.lossAndGradients(data, batch);
    this.#optimizer.step(gradients);
    this.#steps++;
    tf.dispose(gradients);
    return shares;
  }

  /** Shares of the batch loss and its gradients. Heads whose attributes no image of the batch mentions get zeros. */
  async lossAndGradients(
    data: MappingData,
    batch: Batch,
  ): Promise<{ shares: number[]; gradients: Record<string, tf.Tensor> }> {
    const shares = this.heads.map(() => 0);
    if (!this.#isMentioned(data, batch)) return { shares, gradients: this.stack.zeroGradients() };
    const x = this.stack.rows(data.regions, batch.rows);
    const forward = await this.stack.forward(x);
    const losses: AttributeLoss[] = [];
    this.forEachAttribute(forward, data, batch, (visit) => {
      shares[visit.position]! += visit.loss;
      losses.push(visit);
    });
    const gradient = this.options.oneProj ? mergeRows(losses, batch.rows.length) : stackRows(losses);
    const gradients = gradient.rows.length === 0 ? this.stack.zeroGradients() : this.stack.gradients(forward, gradient);
    forward.dispose();
    x.dispose();
    return { shares, gradients };
  }

  /** Calls back with every attribute's loss over one batch, in the order of heads, then attributes. */
  forEachAttribute(scores: RowScores, data: MappingData, batch: Batch, visit: (visit: AttributeVisit) => void): void {
    const total = data.labels.length / data.counts.length;
    const values = scores.cosines;
    this.attributes.forEach((attributes, position) => {
      const stride = attributes.length;
      attributes.forEach((attribute, a) => {
        const offset = position * batch.rows.length * stride + a;
        const labels = Uint8Array.from(batch.images, (image) => data.labels[image * total + attribute]!);
        const cosines = { values, offset, stride };
        const loss = attributeLoss(cosines, batch.offsets, labels, batch.positives, this.options.temperature);
        visit({ ...loss, position, attribute, labels, cosine: (row) => values[offset + row * stride]! });
      });
    });
  }

  /** Values of every head and of its optimiser. */
  async values(): Promise<Required<Pick<HeadState, "steps" | "weights" | "mean" | "meanSquare">>[]> {
    const weights = await this.stack.weights();
    const { tensors } = await this.#optimizer.state();
    const moments = (position: number, moment: "mean" | "meanSquare"): HeadWeights =>
      headFrom((parameter) => {
        const { dimension } = this.options;
        const joined = tensors.get(`${parameter}.${moment}`)?.data as Float32Array | undefined;
        if (!joined) return new Float32Array(weights[0]![parameter].length);
        return separateHead(joined, { position, parameter, dimension });
      });
    return weights.map((values, position) => ({
      steps: this.#steps,
      weights: values,
      mean: moments(position, "mean"),
      meanSquare: moments(position, "meanSquare"),
    }));
  }

  dispose(): void {
    this.#optimizer.dispose();
    this.stack.dispose();
  }

  #resumeOptimizer(states: readonly HeadState[]): void {
    const tensors = new Map<string, TensorData>();
    for (const moment of ["mean", "meanSquare"] as const) {
      const heads = states.map((state) => {
        if (state[moment]) return state[moment];
        throw new VillaError(
          "Mismatch",
          `Head ${state.head} cannot be trained further: its optimiser state was not kept. Start anew with resume=never.`,
        );
      });
      for (const parameter of headParameters) {
        const shape = this.stack.variables.get(parameter)!.shape;
        const data = joinHeads(heads, { parameter, dimension: this.options.dimension });
        tensors.set(`${parameter}.${moment}`, { dtype: "float32", shape: [...shape], data });
      }
    }
    const steps = Object.fromEntries(headParameters.map((parameter) => [parameter, this.#steps]));
    this.#optimizer.loadState({ learningRate: this.options.learningRate, steps, tensors });
  }

  #isMentioned(data: MappingData, batch: Batch): boolean {
    const total = data.labels.length / data.counts.length;
    return this.attributes.some((attributes) =>
      attributes.some((attribute) => batch.images.some((image) => data.labels[image * total + attribute] === 1)),
    );
  }
}

/** One attribute a head: one row of every image is selected, the same number for all heads of the stack. */
function stackRows(losses: readonly AttributeLoss[]): RowGradient {
  const images = losses[0]!.bestRows.length;
  const rows = new Int32Array(losses.length * images);
  const byCosine = new Float64Array(losses.length * images);
  losses.forEach(({ bestRows, gradient }, g) => {
    rows.set(bestRows, g * images);
    byCosine.set(gradient, g * images);
  });
  return { rows, byCosine };
}

/** Several attributes share one head: the union of their selected rows. */
function mergeRows(losses: readonly AttributeLoss[], total: number): RowGradient {
  const position = new Int32Array(total).fill(-1);
  const rows: number[] = [];
  for (const { bestRows, gradient } of losses) {
    bestRows.forEach((row, i) => {
      if (gradient[i] !== 0 && position[row]! < 0) position[row] = rows.push(row) - 1;
    });
  }
  const byCosine = new Float64Array(rows.length * losses.length);
  losses.forEach(({ bestRows, gradient }, a) => {
    bestRows.forEach((row, i) => {
      if (gradient[i] !== 0) byCosine[position[row]! * losses.length + a]! += gradient[i]!;
    });
  });
  return { rows: Int32Array.from(rows), byCosine };
}

function notFinite(head: number, step: number): VillaError {
  return new VillaError(
    "NotFinite",
    `The loss of head ${head} stopped being a number at step ${step}; lower optimizer.lr or raise loss.temp.`,
  );
}

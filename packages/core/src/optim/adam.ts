import * as tf from "@tensorflow/tfjs-core";
import { checkArgument, VillaError } from "@villa/data";
import { runFused } from "../backend/fused.ts";
import { readTensor, toTensor } from "../ops/tensor-data.ts";
import type { Optimizer, OptimizerState } from "./optimizer.ts";

/** Settings of {@link Adam} and {@link AdamW}; the defaults are torch's. */
export interface AdamOptions {
  /** Parameters by name; `step` changes their values. */
  readonly parameters: ReadonlyMap<string, tf.Variable>;
  readonly learningRate: number;
  readonly betas?: readonly [number, number] | undefined;
  /** Added to the denominator. */
  readonly adamEpsilon?: number | undefined;
  readonly weightDecay?: number | undefined;
  /** Names of parameters that do not decay, such as a learned temperature. */
  readonly withoutDecay?: ReadonlySet<string> | undefined;
}

/** torch's defaults, which are also those of both stages. */
export const adamDefaults = {
  betas: [0.9, 0.999],
  adamEpsilon: 1e-8,
  /** Of {@link AdamW}; {@link Adam} has none. */
  decoupledWeightDecay: 0.01,
} as const;

interface Moments {
  steps: number;
  mean: tf.Tensor;
  meanSquare: tf.Tensor;
}

/** The two Adams share everything but where the weight decay enters. */
abstract class AdamFamily implements Optimizer {
  learningRate: number;
  readonly #parameters: ReadonlyMap<string, tf.Variable>;
  readonly #betas: readonly [number, number];
  readonly #epsilon: number;
  readonly #weightDecay: number;
  readonly #withoutDecay: ReadonlySet<string>;
  readonly #decoupled: boolean;
  readonly #moments = new Map<string, Moments>();

  constructor(options: AdamOptions, decoupled: boolean) {
    checkArgument("options", options, {
      parameters: "Map",
      learningRate: "number",
      "betas?": "numbers",
      "adamEpsilon?": "number",
      "weightDecay?": "number",
      "withoutDecay?": "Set",
    });
    this.learningRate = options.learningRate;
    this.#parameters = options.parameters;
    this.#betas = options.betas ?? adamDefaults.betas;
    this.#epsilon = options.adamEpsilon ?? adamDefaults.adamEpsilon;
    this.#weightDecay = options.weightDecay ?? 0;
    this.#withoutDecay = options.withoutDecay ?? new Set();
    this.#decoupled = decoupled;
  }

  /**
   * One update.
   *
   * @param gradients by parameter name, each of its parameter's shape; not disposed
   * @throws VillaError `Mismatch` for a gradient without parameter or of another shape
   */
  step(gradients: Readonly<Record<string, tf.Tensor>>): void {
    for (const [name, gradient] of Object.entries(gradients)) {
      const parameter = this.#parameters.get(name);
      if (!parameter) throw new VillaError("Mismatch", `There is a gradient for "${name}", which is not a parameter.`);
      if (!tf.util.arraysEqual(parameter.shape, gradient.shape)) {
        const shapes = `[${gradient.shape}], the parameter [${parameter.shape}]`;
        throw new VillaError("Mismatch", `The gradient of "${name}" has shape ${shapes}.`);
      }
      const weightDecay = this.#withoutDecay.has(name) ? 0 : this.#weightDecay;
      this.#update(parameter, gradient, this.#momentsOf(name, parameter), weightDecay);
    }
  }

  /** Moments and step counts, for checkpoints. */
  async state(): Promise<OptimizerState> {
    const steps: Record<string, number> = {};
    const tensors: OptimizerState["tensors"] = new Map();
    for (const [name, moments] of this.#moments) {
      steps[name] = moments.steps;
      tensors.set(`${name}.mean`, await readTensor(moments.mean));
      tensors.set(`${name}.meanSquare`, await readTensor(moments.meanSquare));
    }
    return { learningRate: this.learningRate, steps, tensors };
  }

  /** @throws VillaError `Mismatch` when the state belongs to other parameters */
  loadState(state: OptimizerState): void {
    const loaded = new Map<string, Moments>();
    for (const [name, steps] of Object.entries(state.steps)) {
      const parameter = this.#parameters.get(name);
      const mean = state.tensors.get(`${name}.mean`);
      const meanSquare = state.tensors.get(`${name}.meanSquare`);
      const fits = (shape: number[] | undefined) => shape && parameter && tf.util.arraysEqual(shape, parameter.shape);
      if (!(fits(mean?.shape) && fits(meanSquare?.shape))) {
        throw new VillaError("Mismatch", `The optimiser state for "${name}" does not fit the model's parameters.`);
      }
      loaded.set(name, { steps, mean: keepOutside(mean!), meanSquare: keepOutside(meanSquare!) });
    }
    this.dispose();
    for (const [name, moments] of loaded) this.#moments.set(name, moments);
    this.learningRate = state.learningRate;
  }

  /** Frees the moments; the next step starts anew. */
  dispose(): void {
    for (const { mean, meanSquare } of this.#moments.values()) tf.dispose([mean, meanSquare]);
    this.#moments.clear();
  }

  #momentsOf(name: string, parameter: tf.Variable): Moments {
    const known = this.#moments.get(name);
    if (known) return known;
    const zeros = () => tf.keep(tf.zeros(parameter.shape));
    const created = { steps: 0, mean: zeros(), meanSquare: zeros() };
    this.#moments.set(name, created);
    return created;
  }

  #update(parameter: tf.Variable, gradient: tf.Tensor, moments: Moments, weightDecay: number): void {
    moments.steps++;
    const [beta1, beta2] = this.#betas;
    const settings: AdamSettings = {
      learningRate: this.learningRate,
      beta1,
      beta2,
      epsilon: this.#epsilon,
      weightDecay,
      decoupled: this.#decoupled,
      biasCorrection1: 1 - beta1 ** moments.steps,
      biasCorrection2: 1 - beta2 ** moments.steps,
    };
    const { mean, meanSquare } = moments;
    const updated = tf.tidy(() => {
      const results = runFused("VillaAdamStep", { parameter, gradient, mean, meanSquare }, { ...settings });
      return results ?? adamStep(parameter, gradient, mean, meanSquare, settings);
    });
    if (updated.length === 0) return; // the backend updated the three in place
    const [newParameter, newMean, newMeanSquare] = updated as [tf.Tensor, tf.Tensor, tf.Tensor];
    parameter.assign(newParameter);
    tf.dispose([mean, meanSquare, newParameter]);
    moments.mean = tf.keep(newMean);
    moments.meanSquare = tf.keep(newMeanSquare);
  }
}

/** Adam with decay coupled into the gradient (L2), equal to `torch.optim.Adam(weight_decay=…)`: Stage 2's optimiser. */
export class Adam extends AdamFamily {
  constructor(options: AdamOptions) {
    super(options, false);
  }
}

/** Adam with decoupled decay (0.01 by default), equal to `torch.optim.AdamW`: Stage 1's optimiser. */
export class AdamW extends AdamFamily {
  constructor(options: AdamOptions) {
    // Options that are not an object are refused by the parent class.
    super({ ...options, weightDecay: options?.weightDecay ?? adamDefaults.decoupledWeightDecay }, true);
  }
}

interface AdamSettings {
  readonly learningRate: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
  readonly decoupled: boolean;
  readonly biasCorrection1: number;
  readonly biasCorrection2: number;
}

/** One parameter's update in plain ops, in torch's order of operations. @returns [parameter, mean, meanSquare] */
function adamStep(
  parameter: tf.Tensor,
  gradient: tf.Tensor,
  mean: tf.Tensor,
  meanSquare: tf.Tensor,
  settings: AdamSettings,
): tf.Tensor[] {
  const { learningRate, beta1, beta2, epsilon, weightDecay, decoupled, biasCorrection1, biasCorrection2 } = settings;
  const decayed = decoupled && weightDecay !== 0 ? tf.mul(parameter, 1 - learningRate * weightDecay) : parameter;
  const g = !decoupled && weightDecay !== 0 ? tf.add(gradient, tf.mul(parameter, weightDecay)) : gradient;
  const newMean = tf.add(tf.mul(mean, beta1), tf.mul(g, 1 - beta1));
  const newMeanSquare = tf.add(tf.mul(meanSquare, beta2), tf.mul(tf.square(g), 1 - beta2));
  const denominator = tf.add(tf.div(tf.sqrt(newMeanSquare), Math.sqrt(biasCorrection2)), epsilon);
  const change = tf.mul(tf.div(newMean, denominator), learningRate / biasCorrection1);
  return [tf.sub(decayed, change), newMean, newMeanSquare];
}

function keepOutside(data: Parameters<typeof toTensor>[0]): tf.Tensor {
  return tf.keep(toTensor(data));
}

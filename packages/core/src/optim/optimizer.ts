import type * as tf from "@tensorflow/tfjs-core";
import type { TensorData } from "@villa/data";

/** Everything an optimiser needs to go on exactly where it was. */
export interface OptimizerState {
  readonly learningRate: number;
  /** Steps taken, by parameter. */
  readonly steps: Readonly<Record<string, number>>;
  /** Moments, named `<parameter>.mean` and `<parameter>.meanSquare`. */
  readonly tensors: Map<string, TensorData>;
}

/** Sets an optimiser's learning rate: before each step, after each epoch, or both. */
export interface LearningRateSchedule<State = unknown> {
  /** Sets the rate of the next step. @param done steps of the run before it */
  beforeStep?(done: number): void;
  /** Takes the (validation) loss of one more epoch. */
  step?(loss: number): void;
  /** For checkpoints; absent where the rate depends on the step alone. */
  state?(): State;
  /** Goes on from a checkpoint. */
  loadState?(state: State): void;
}

/** What the training loop and the checkpoints ask of an optimiser. */
export interface Optimizer {
  learningRate: number;
  /** Applies one update. Parameters without a gradient stay as they are, as torch's with `grad = None`. */
  step(gradients: Readonly<Record<string, tf.Tensor>>): void;
  /** For checkpoints. */
  state(): Promise<OptimizerState>;
  /** Goes on from a checkpoint. */
  loadState(state: OptimizerState): void;
  /** Frees the moments; the parameters stay. */
  dispose(): void;
}

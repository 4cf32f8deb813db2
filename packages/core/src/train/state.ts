import type * as tf from "@tensorflow/tfjs-core";
import {
  type ArgumentRule,
  checkArgument,
  type RandomState,
  type RandomStateSnapshot,
  type TensorData,
  VillaError,
} from "@villa/data";
import { readTensor, toTensor } from "../ops/tensor-data.ts";
import type { LearningRateSchedule, Optimizer } from "../optim/optimizer.ts";
import type { ReduceLROnPlateauState } from "../optim/plateau.ts";
import type { EarlyStopping, EarlyStoppingState } from "../run/early-stopping.ts";

/** Where a run stands, as JSON. */
export interface RunPosition {
  /** Epochs that are finished. */
  readonly epoch: number;
  /** Steps of the next one that are done. */
  readonly step: number;
  /** Sum of the losses of those steps. */
  readonly lossSum: number;
  /** The generator when that next epoch began (its order is drawn again from here), and now. */
  readonly epochRandom: RandomStateSnapshot;
  readonly random: RandomStateSnapshot;
  readonly learningRate: number;
  readonly optimizerSteps: Readonly<Record<string, number>>;
  readonly scheduler: ReduceLROnPlateauState | null;
  readonly stopping: EarlyStoppingState;
  /** True after an early stop: such a run has nothing left to do. */
  readonly stoppedEarly: boolean;
}

/** A whole run at one moment: continuing from it equals never having stopped. */
export interface Checkpoint {
  /** `model.<name>` and `optimizer.<name>.mean|meanSquare`. */
  readonly tensors: Map<string, TensorData>;
  readonly position: RunPosition;
  /** Whatever the caller wants to find again, e.g. its configuration. */
  readonly extra?: Readonly<Record<string, unknown>> | undefined;
}

/** The parts of a run that change. */
export interface RunParts {
  /** Parameters and buffers (running statistics), by name. */
  readonly variables: ReadonlyMap<string, tf.Variable>;
  readonly optimizer: Optimizer;
  readonly scheduler?: LearningRateSchedule<ReduceLROnPlateauState> | undefined;
  readonly stopping: EarlyStopping;
  readonly random: RandomState;
}

export const optimizerRule: ArgumentRule = {
  learningRate: "number",
  step: "function",
  state: "function",
  loadState: "function",
  dispose: "function",
};

export const checkpointRule: ArgumentRule = {
  tensors: "Map",
  position: {
    epoch: "count",
    step: "count",
    lossSum: "number",
    epochRandom: "object",
    random: "object",
    learningRate: "number",
    optimizerSteps: "object",
    scheduler: "null | object",
    stopping: "object",
    stoppedEarly: "boolean",
  },
  "extra?": "object",
};

const runParts: ArgumentRule = {
  variables: "Map",
  optimizer: optimizerRule,
  "scheduler?": "object",
  stopping: { stopped: "boolean", state: "function", loadState: "function" },
  random: { getState: "function", setState: "function" },
};

/** Copies everything that changes into a checkpoint. */
export async function captureRun(
  parts: RunParts,
  progress: Pick<RunPosition, "epoch" | "step" | "lossSum" | "epochRandom" | "stoppedEarly">,
  options: { readonly extra?: Readonly<Record<string, unknown>> | undefined } = {},
): Promise<Checkpoint> {
  checkArgument("parts", parts, runParts);
  checkArgument("progress", progress, {
    epoch: "count",
    step: "count",
    lossSum: "number",
    epochRandom: { algorithm: "'MT19937'", key: "numbers", pos: "number", gauss: "null | number" },
    stoppedEarly: "boolean",
  });
  checkArgument("options?", options, { "extra?": "object" });
  const { extra } = options;

  const tensors = new Map<string, TensorData>();
  for (const [name, variable] of parts.variables) tensors.set(`model.${name}`, await readTensor(variable));
  const optimizer = await parts.optimizer.state();
  for (const [name, tensor] of optimizer.tensors) tensors.set(`optimizer.${name}`, tensor);
  return {
    tensors,
    position: {
      ...progress,
      random: parts.random.getState(),
      learningRate: optimizer.learningRate,
      optimizerSteps: optimizer.steps,
      scheduler: parts.scheduler?.state?.() ?? null,
      stopping: parts.stopping.state(),
    },
    extra,
  };
}

/**
 * Puts a run back to where the checkpoint was taken.
 *
 * @throws VillaError `Mismatch` when it belongs to another model; nothing has been changed then
 */
export function restoreRun(parts: RunParts, checkpoint: Checkpoint): void {
  checkArgument("parts", parts, runParts);
  checkArgument("checkpoint", checkpoint, checkpointRule);
  const { tensors, position } = checkpoint;

  restoreVariables(parts.variables, tensors);
  const moments = [...tensors].filter(([name]) => name.startsWith("optimizer."));
  parts.optimizer.loadState({
    learningRate: position.learningRate,
    steps: position.optimizerSteps,
    tensors: new Map(moments.map(([name, tensor]) => [name.slice("optimizer.".length), tensor])),
  });
  if (position.scheduler) parts.scheduler?.loadState?.(position.scheduler);
  parts.stopping.loadState(position.stopping);
  parts.random.setState(position.random);
}

/**
 * Sets variables to a checkpoint's `model.*` tensors.
 *
 * @throws VillaError `Mismatch` when one is missing or of another shape; no variable has been changed then
 */
export function restoreVariables(
  variables: ReadonlyMap<string, tf.Variable>,
  tensors: ReadonlyMap<string, TensorData>,
): void {
  checkArgument("variables", variables, "Map");
  checkArgument("tensors", tensors, "Map");

  for (const [name, variable] of variables) {
    const shape = tensors.get(`model.${name}`)?.shape;
    if (shape?.length !== variable.rank || shape.some((side, axis) => side !== variable.shape[axis])) {
      const found = shape ? `has "${name}" with shape [${shape}]` : `has no "${name}"`;
      throw new VillaError("Mismatch", `The checkpoint ${found}; the model needs [${variable.shape}].`);
    }
  }
  for (const [name, variable] of variables) {
    const value = toTensor(tensors.get(`model.${name}`)!);
    variable.assign(value);
    value.dispose();
  }
}

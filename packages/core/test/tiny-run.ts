import * as tf from "@tensorflow/tfjs-core";
import { RandomState } from "@villa/data";
import { tensorValues } from "@villa/testing";
import {
  Adam,
  batchNormTrain,
  infoNCE,
  l2Normalize,
  linear,
  lossAndGradients,
  ReduceLROnPlateau,
  type TrainOptions,
} from "../src/index.ts";

/** A small contrastive run with every kind of state: parameters, running statistics, moments, schedule, random draws. */
export interface TinyRun {
  readonly options: TrainOptions;
  /** Every variable's values, for exact comparison. */
  values(): Promise<Record<string, number[]>>;
  dispose(): void;
}

const examples = 22;
const features = 6;
const dimension = 4;

export function tinyRun(overrides: Partial<TrainOptions> = {}): TinyRun {
  const create = (name: string, shape: number[], value?: number) =>
    tf.tidy(() =>
      tf.variable(value === undefined ? tf.tensor(tensorValues(`tiny:${name}`, shape), shape) : tf.fill(shape, value)),
    );
  const parameters = new Map([
    ["fc1.weight", create("fc1", [8, features])],
    ["bn.weight", create("bn", [8], 1)],
    ["bn.bias", create("bn", [8], 0)],
    ["fc2.weight", create("fc2", [dimension, 8])],
  ]);
  const buffers = new Map([
    ["bn.running_mean", create("bn", [8], 0)],
    ["bn.running_var", create("bn", [8], 1)],
  ]);
  const data = tf.keep(tf.tensor2d(tensorValues("tiny:data", [examples, features]), [examples, features]));
  const text = tf.keep(tf.tensor2d(tensorValues("tiny:text", [examples, dimension]), [examples, dimension]));
  const random = new RandomState(23);
  const optimizer = new Adam({ parameters, learningRate: 0.01, weightDecay: 0.1 });
  const parameter = (name: string) => parameters.get(name)!;

  const objective = (indices: Int32Array, noise: number) => () => {
    const rows = tf.tensor1d(indices, "int32");
    const hidden = linear(tf.mul(tf.gather(data, rows), noise), parameter("fc1.weight"));
    const normal = batchNormTrain(hidden, {
      gamma: parameter("bn.weight"),
      beta: parameter("bn.bias"),
      runningMean: buffers.get("bn.running_mean")!,
      runningVar: buffers.get("bn.running_var")!,
      relu: true,
    });
    const embeddings = l2Normalize(linear(normal, parameter("fc2.weight"))) as tf.Tensor2D;
    return infoNCE(embeddings, l2Normalize(tf.gather(text, rows)) as tf.Tensor2D, { temperature: 0.2 });
  };
  const variables = new Map([...parameters, ...buffers]);
  const validation = [3, 2, 2, 2, 2.5, 1, 1, 1];
  const options: TrainOptions = {
    examples,
    batchSize: 5,
    epochs: 6,
    random,
    optimizer,
    variables,
    scheduler: new ReduceLROnPlateau({ optimizer }),
    // An augmentation drawn within the step: its place in the random sequence must survive a resumption.
    step: (indices) => lossAndGradients(objective(indices, 1 + 0.1 * random.normal()), parameters),
    validate: (epoch) => validation[epoch - 1]!,
    ...overrides,
  };
  return {
    options,
    values: async () => {
      const entries = [...variables].map(
        async ([name, variable]) => [name, Array.from(await variable.data())] as const,
      );
      return Object.fromEntries(await Promise.all(entries));
    },
    dispose: () => {
      optimizer.dispose();
      tf.dispose([data, text, ...variables.values()]);
    },
  };
}

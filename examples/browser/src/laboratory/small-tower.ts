import * as tf from "@tensorflow/tfjs-core";
import { linear, roiAlign } from "@villa/core";
import { RandomState, type TensorData } from "@villa/data";
import { groupRegions, type ImageTower, plainInput, type Regions } from "@villa/encoders";

/** Side of the grid to which a region is pooled. */
export const grid = 14;

export interface SmallTowerOptions {
  /** Length of the embeddings. */
  readonly embedDim: number;
  readonly hidden: number;
  readonly seed: number;
}

/**
 * The smallest tower that Stage 2 can train: a region is pooled from the pixels themselves to 14 × 14 by RoIAlign and goes
 * through two layers. A ResNet would learn nothing in the minute that a visitor waits.
 */
export function smallTower({ embedDim, hidden, seed }: SmallTowerOptions): ImageTower {
  const random = new RandomState(seed);
  const inputs = 3 * grid * grid;
  const parameters = new Map<string, tf.Variable>([
    ["0.weight", variable([hidden, inputs], () => random.normal() * Math.sqrt(2 / inputs))],
    ["0.bias", variable([hidden], () => 0)],
    ["2.weight", variable([embedDim, hidden], () => random.normal() * Math.sqrt(1 / hidden))],
    ["2.bias", variable([embedDim], () => 0)],
  ]);
  const regionEmbeddings = (features: tf.Tensor4D, { boxes, imageIndex }: Regions): tf.Tensor2D =>
    tf.tidy(() => {
      const pooled = roiAlign(features, boxes, imageIndex, { outputSize: grid, spatialScale: 1 });
      const flat = tf.reshape<tf.Rank.R2>(pooled, [imageIndex.length, inputs]); // [R, 14 · 14 · 3]
      const hiddenValues = tf.relu(linear(flat, parameters.get("0.weight")!, parameters.get("0.bias")!));
      return linear(hiddenValues, parameters.get("2.weight")!, parameters.get("2.bias")!) as tf.Tensor2D;
    });
  return {
    description: { family: "small", config: { embedDim, hidden } },
    embedDim,
    input: plainInput,
    parameters,
    trainableVariables: () => new Map(parameters),
    features: (images) => images,
    regionEmbeddings,
    imageEmbeddings(images) {
      const [count, height, width] = images.shape;
      const whole = Array.from({ length: count }, () => [[0, 0, width, height]]);
      return regionEmbeddings(images, groupRegions(whole, width));
    },
    async stateDict() {
      const tensors = new Map<string, TensorData>();
      for (const [name, value] of parameters) {
        // A backend may hand out its own memory.
        const data = ((await value.data()) as Float32Array).slice();
        tensors.set(name, { dtype: "float32", shape: value.shape, data });
      }
      return tensors;
    },
    refresh() {},
    dispose: () => tf.dispose([...parameters.values()]),
  };
}

function variable(shape: number[], draw: () => number): tf.Variable {
  const size = shape.reduce((product, side) => product * side, 1);
  return tf.tidy(() => tf.variable(tf.tensor(Float32Array.from({ length: size }, draw), shape)));
}

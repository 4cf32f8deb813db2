import * as tf from "@tensorflow/tfjs-core";
import { type TensorData, VillaError } from "@villa/data";
import type { ModifiedResNetConfig } from "./config.ts";
import { visionParameterShapes } from "./parameter-shapes.ts";
import type { WeightArray } from "./text-transformer.ts";

/** OIHW (torch) → HWIO (TF.js). */
export function oihwToHwio(data: Float32Array, [outputs, inputs, height, width]: readonly number[]): Float32Array {
  const positions = height! * width!;
  const result = new Float32Array(data.length);
  for (let o = 0; o < outputs!; o++) {
    for (let i = 0; i < inputs!; i++) {
      const from = (o * inputs! + i) * positions;
      for (let p = 0; p < positions; p++) result[(p * inputs! + i) * outputs! + o] = data[from + p]!;
    }
  }
  return result;
}

/** HWIO (TF.js) → OIHW (torch). */
export function hwioToOihw(data: Float32Array, [height, width, inputs, outputs]: readonly number[]): Float32Array {
  const positions = height! * width!;
  const result = new Float32Array(data.length);
  for (let o = 0; o < outputs!; o++) {
    for (let i = 0; i < inputs!; i++) {
      const to = (o * inputs! + i) * positions;
      for (let p = 0; p < positions; p++) result[to + p] = data[(p * inputs! + i) * outputs! + o]!;
    }
  }
  return result;
}

/** Puts torch-layout weights into variables by the same names; running statistics are not trainable. */
export function visionVariables(
  tensors: ReadonlyMap<string, WeightArray>,
  config: ModifiedResNetConfig,
): Map<string, tf.Variable> {
  const variables = new Map<string, tf.Variable>();
  for (const [name, shape] of visionParameterShapes(config)) {
    const source = tensors.get(name);
    if (!source || `${source.shape}` !== `${shape}`) {
      throw new VillaError("Mismatch", `The weight "${name}" is missing or not of shape [${shape}].`);
    }
    // TF.js remembers names of variables globally and refuses a second one: leave them anonymous.
    variables.set(
      name,
      tf.tidy(() => tf.variable(toTensor(source), isTrainable(name))),
    );
  }
  return variables;
}

/** Copies weights into existing variables, e.g. those of a checkpoint. */
export function assignVisionWeights(
  variables: ReadonlyMap<string, tf.Variable>,
  tensors: ReadonlyMap<string, WeightArray>,
): void {
  for (const [name, variable] of variables) {
    const source = tensors.get(name);
    if (!source) throw new VillaError("Mismatch", `The weight "${name}" is missing.`);
    tf.tidy(() => {
      const tensor = toTensor(source);
      if (`${tensor.shape}` !== `${variable.shape}`) {
        throw new VillaError("Mismatch", `The weight "${name}" has shape [${source.shape}], which does not fit.`);
      }
      variable.assign(tensor);
    });
  }
}

/** Weights as files hold them: torch names and layout, float32. */
export async function visionStateDict(parameters: ReadonlyMap<string, tf.Tensor>): Promise<Map<string, TensorData>> {
  const stateDict = new Map<string, TensorData>();
  for (const [name, tensor] of parameters) {
    const values = (await tensor.data()) as Float32Array;
    const isFilter = tensor.rank === 4;
    const [height, width, inputs, outputs] = tensor.shape;
    stateDict.set(name, {
      dtype: "float32",
      shape: isFilter ? [outputs!, inputs!, height!, width!] : [...tensor.shape],
      data: isFilter ? hwioToOihw(values, tensor.shape) : Float32Array.from(values),
    });
  }
  return stateDict;
}

function toTensor({ shape, data }: WeightArray): tf.Tensor {
  // Copied: some backends keep the array they are given, and training would then change the caller's.
  if (shape.length !== 4) return tf.tensor(data.slice(), [...shape]);
  const [outputs, inputs, height, width] = shape as readonly [number, number, number, number];
  return tf.tensor4d(oihwToHwio(data, shape), [height, width, inputs, outputs]);
}

function isTrainable(name: string): boolean {
  return !name.endsWith(".running_mean") && !name.endsWith(".running_var");
}

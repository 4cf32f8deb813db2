import { type ArgumentRule, checkArgument, type DataType, type TensorData, toFloat32, VillaError } from "@villa/data";
import type { OnnxFiles } from "./onnx/runtime.ts";

/** A tensor as a file's header describes it. */
export interface TensorHeader {
  readonly dtype: DataType;
  readonly shape: readonly number[];
}

/** Weights that are read one by one, so that a file of halves never lies widened in memory as a whole. */
export interface WeightSource {
  /** Every tensor by its name, without the wrappers that trainers put around it (`module.`, `_orig_mod.`, …). */
  readonly tensors: ReadonlyMap<string, TensorHeader>;
  /**
   * One tensor's values, row-major, widened to float32. The array may be a view of the file: do not change it.
   *
   * @throws VillaError `Mismatch` when there is no such tensor, `InvalidFile` when it cannot be read
   */
  read(name: string): Promise<Float32Array>;
  /** All tensors at once, halves left as their bits. */
  all(): Promise<ReadonlyMap<string, TensorData>>;
}

export const encoderFilesRule: ArgumentRule = {
  label: "text",
  "weights?": "object",
  "onnx?": "object",
  json: "function",
  path: "function",
  "revision?": "text",
};

/** What an encoder is made from: a model's folder, or a single file of weights. */
export interface EncoderFiles {
  /** Where they lie, for messages: a path, or `hf:ORG/NAME`. */
  readonly label: string;
  /** Absent where the folder holds ONNX files alone. */
  readonly weights?: WeightSource | undefined;
  /** ONNX models in the folder. */
  readonly onnx?: OnnxFiles | undefined;
  /** A JSON file of the folder by its name (`config.json`, `preprocessor_config.json`, …); undefined when there is none. */
  json(name: string): Promise<Readonly<Record<string, unknown>> | undefined>;
  /** Path of any file of the folder; undefined when there is none, or no file system. */
  path(name: string): string | undefined;
  /** Revision on the hub, when the folder came from there. */
  readonly revision?: string | undefined;
}

/** Tensors in memory as a {@link WeightSource}; halves are widened when they are read. */
export function memoryWeights(tensors: ReadonlyMap<string, TensorData>): WeightSource {
  checkArgument("tensors", tensors, "Map");

  return {
    tensors,
    all: async () => tensors,
    async read(name) {
      const tensor = tensors.get(name);
      if (!tensor) throw new VillaError("Mismatch", `The weights hold no "${name}".`);
      return toFloat32(tensor);
    },
  };
}

/** Weights without the other files of a folder, such as a checkpoint. */
export function weightsAlone(label: string, weights: WeightSource): EncoderFiles {
  checkArgument("label", label, "text");
  checkArgument("weights", weights, { tensors: "Map", read: "function", all: "function" });

  return { label, weights, json: async () => undefined, path: () => undefined };
}

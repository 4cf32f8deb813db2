import * as tf from "@tensorflow/tfjs-core";
import {
  checkArgument,
  checkFinite,
  StateDict,
  someNames,
  type TensorData,
  toFloat32,
  VillaError,
  withoutCommonPrefix,
} from "@villa/data";
import { checkNames } from "../check-weights.ts";
import {
  type ClipConfig,
  type ModifiedResNetConfig,
  readClipConfig,
  resNetRule,
  textParameterShapes,
  visionParameterShapes,
  type WeightArray,
} from "./parameters.ts";

/** A checkpoint whose names, shapes and values have been checked. Torch layout (OIHW, [out, in]). */
export interface CheckedClip {
  readonly config: ClipConfig;
  /** Exactly the tensors that the model needs, by OpenAI's names. Halves are widened when `data` is asked for. */
  readonly tensors: ReadonlyMap<string, WeightArray>;
}

/**
 * Maps a checkpoint's names to OpenAI's and checks it completely: every tensor there, none unknown, shapes as the model
 * needs them, values finite.
 *
 * Understood names: OpenAI's (`visual.conv1.weight`, `transformer.resblocks.0…`), OpenCLIP's (the same, text side
 * optionally under `text.`), either under whatever prefix all names share (`module.`, `model.`, `net.clip.`, …), without
 * the parts that torch.compile, FSDP and DeepSpeed put in, and a vision tower alone with or without `visual.`.
 *
 * @throws VillaError `Mismatch` naming some of the missing, unexpected and wrongly shaped tensors; `NotFinite` naming a tensor
 */
export function checkClipStateDict(
  stateDict: ReadonlyMap<string, TensorData>,
  options: { textHeads?: number | undefined } = {},
): CheckedClip {
  checkArgument("stateDict", stateDict, "Map");
  checkArgument("options?", options, { "textHeads?": "number" });
  const { textHeads } = options;

  const named = canonicalNames(stateDict);
  requireClip(named, stateDict);
  const config = readClipConfig(named, { textHeads });
  const expected = visionParameterShapes(config.vision);
  if (config.text) for (const [name, shape] of textParameterShapes(config.text)) expected.set(name, shape);

  checkNames(named, expected, { what: "a CLIP ResNet", isExtra: isBookkeeping, note: unreadNote(stateDict) });
  const tensors = new Map<string, WeightArray>();
  for (const [name, shape] of expected) {
    const tensor = named.get(name)!;
    checkFinite(name, tensor);
    tensors.set(name, {
      shape,
      get data() {
        return toFloat32(tensor);
      },
    });
  }
  return { config, tensors };
}

/** First parts of the names of CLIP's own tensors: prefixes end before them. */
const ownParts = new Set([
  ...["visual", "text", "transformer", "token_embedding", "ln_final", "positional_embedding", "text_projection"],
  ...["conv1", "conv2", "conv3", "bn1", "bn2", "bn3", "layer1", "layer2", "layer3", "layer4", "attnpool"],
]);
/** What training code puts before the model's names, even where other tensors stand beside the model. */
const holders = /^(?:module\.|model\.|clip\.|net\.|state_dict\.)+/;
const visionRoot = /^(?:conv[123]|bn[123]|layer[1234]|attnpool)\./;

function canonicalNames(stateDict: ReadonlyMap<string, TensorData>): Map<string, TensorData> {
  const named = new Map<string, TensorData>();
  for (const [name, tensor] of withoutCommonPrefix(stateDict, (part) => ownParts.has(part))) {
    let canonical = name.replace(holders, "").replace(/^text\./, "");
    if (visionRoot.test(canonical)) canonical = `visual.${canonical}`;
    if (named.has(canonical)) {
      throw new VillaError("Mismatch", `The weights hold "${canonical}" twice, the second time as "${name}".`);
    }
    named.set(canonical, tensor);
  }
  return named;
}

/** Names that have nothing to do with CLIP: the first of them tell the user what the file holds instead. */
function requireClip(named: ReadonlyMap<string, TensorData>, stateDict: ReadonlyMap<string, TensorData>): void {
  if ([...named.keys()].some((name) => ownParts.has(name.split(".")[0]!))) return;
  throw new VillaError(
    "Mismatch",
    `The weights are not a CLIP ResNet: their names are ${someNames(stateDict.keys())}.`,
  );
}

/** Tensors of the file that could not be read, for the error about those that are missing. */
function unreadNote(stateDict: ReadonlyMap<string, TensorData>): string {
  if (!(stateDict instanceof StateDict) || stateDict.unsupported.size === 0) return "";
  const [[name, what]] = stateDict.unsupported as unknown as [[string, string]];
  return ` (the file has ${stateDict.unsupported.size} that cannot be read, such as "${name}": ${what})`;
}

/** Tensors that checkpoints carry beside the weights this model computes with. */
function isBookkeeping(name: string): boolean {
  return (
    name.endsWith(".num_batches_tracked") ||
    ["input_resolution", "context_length", "vocab_size", "logit_scale", "logit_bias", "attn_mask"].includes(name)
  );
}

/** OIHW (torch) → HWIO (TF.js). */
export function oihwToHwio(data: Float32Array, shape: readonly number[]): Float32Array {
  checkArgument("data", data, "numbers");
  checkArgument("shape", shape, "numbers");
  const [outputs, inputs, height, width] = shape;

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
function hwioToOihw(data: Float32Array, shape: readonly number[]): Float32Array {
  const [height, width, inputs, outputs] = shape;

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

/**
 * Puts torch-layout weights into variables by the same names; running statistics are not trainable.
 *
 * @throws VillaError `Mismatch` for a weight that is missing or of another shape
 */
export function visionVariables(
  tensors: ReadonlyMap<string, WeightArray>,
  config: ModifiedResNetConfig,
): Map<string, tf.Variable> {
  checkArgument("tensors", tensors, "Map");
  checkArgument("config", config, resNetRule);

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
  checkArgument("variables", variables, "Map");
  checkArgument("tensors", tensors, "Map");

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
  checkArgument("parameters", parameters, "Map");

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

import { StateDict, someNames, type TensorData, toFloat32, VillaError, withoutCommonPrefix } from "@villa/data";
import { type ClipConfig, readClipConfig } from "./config.ts";
import { textParameterShapes, visionParameterShapes } from "./parameter-shapes.ts";
import type { WeightArray } from "./text-transformer.ts";

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
  { textHeads }: { textHeads?: number | undefined } = {},
): CheckedClip {
  const named = canonicalNames(stateDict);
  requireClip(named, stateDict);
  const config = readClipConfig(named, textHeads === undefined ? {} : { textHeads });
  const expected = visionParameterShapes(config.vision);
  if (config.text) for (const [name, shape] of textParameterShapes(config.text)) expected.set(name, shape);

  const missing = [...expected.keys()].filter((name) => !named.has(name));
  const unexpected = [...named.keys()].filter((name) => !expected.has(name) && !isBookkeeping(name));
  const misshapen = [...expected].flatMap(([name, shape]) => {
    const found = named.get(name)?.shape;
    return found && `${found}` !== `${shape}` ? [`${name} [${found}] instead of [${shape}]`] : [];
  });
  if (missing.length + unexpected.length + misshapen.length > 0) {
    const parts = [
      ...section("missing", missing),
      ...section("unexpected", unexpected),
      ...section("wrong shape", misshapen),
    ];
    throw new VillaError(
      "Mismatch",
      `The weights do not fit a CLIP ResNet: ${parts.join("; ")}${unreadNote(stateDict)}.`,
    );
  }
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

/** First parts of the names of CLIP's own tensors: nothing is taken away from there on. */
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

/** Weights of another size fit nowhere: a few names tell that as well as all of them. */
const namesShown = 4;

function section(title: string, names: readonly string[]): string[] {
  if (names.length === 0) return [];
  const rest = names.length > namesShown ? ", …" : "";
  return [`${title} (${names.length}): ${names.slice(0, namesShown).join(", ")}${rest}`];
}

function checkFinite(name: string, { dtype, data }: TensorData): void {
  if (data instanceof BigInt64Array || data instanceof BigUint64Array) return;
  // Halves left as bits: all exponent bits set means infinity or NaN.
  const exponent = data instanceof Uint16Array ? { float16: 0x7c00, bfloat16: 0x7f80 }[dtype as string] : undefined;
  for (let i = 0; i < data.length; i++) {
    const value = data[i]!;
    if (exponent === undefined ? Number.isFinite(value) : (value & exponent) !== exponent) continue;
    throw new VillaError(
      "NotFinite",
      `The weights hold ${exponent === undefined ? value : "NaN or infinity"} at element ${i} of "${name}"; the file is damaged or its training diverged.`,
    );
  }
}

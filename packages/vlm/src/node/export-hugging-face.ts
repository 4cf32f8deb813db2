import { copyFile, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { loadCheckpoint } from "@villa/core/node";
import {
  checkArgument,
  type ProgressListener,
  throwIfAborted,
  toFloat32,
  VillaError,
  writeSafetensors,
} from "@villa/data";
import { atomicWriteFile } from "@villa/data/node";
import {
  clipTokenizerFiles,
  type EncoderFiles,
  type HuggingFaceModel,
  type HuggingFaceSource,
  huggingFaceModel,
  type OnnxPrecision,
  type TextEncoder,
  type TextTower,
  VisionTransformer,
} from "@villa/encoders";
import { isCheckpoint, openEncoder, openEncoderFiles } from "@villa/encoders/node";

/** What {@link exportHuggingFace} writes. */
export interface ExportHuggingFaceOptions {
  /** Where the text side's weights are now, when the checkpoint names files that have moved. */
  readonly weights?: string | undefined;
  /** Number formats of the ONNX models. Default all three; none for no ONNX model. */
  readonly onnx?: readonly OnnxPrecision[] | undefined;
  readonly onProgress?: ProgressListener | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What {@link exportHuggingFace} has written. */
export interface ExportedFolder {
  /** Class in `transformers` and transformers.js. */
  readonly architecture: string;
  /** Whether the text tower is part of it. */
  readonly hasText: boolean;
  /** Paths. */
  readonly files: readonly string[];
}

/**
 * Writes a vision transformer with its text tower as a folder in Hugging Face's layout: `config.json`,
 * `model.safetensors`, tokenizer and pixel statistics for Python's `AutoModel.from_pretrained`, `onnx/` for
 * transformers.js. OpenCLIP's names become those of `CLIPModel`. A text side that has no class beside the image tower
 * (hashed words, another family) is left out.
 *
 * @param checkpoint of Stage 2, or an encoder as it is
 * @throws VillaError `Unsupported` for an image tower that has no class in `transformers`; as the file readers
 */
export async function exportHuggingFace(
  checkpoint: string,
  folder: string,
  options: ExportHuggingFaceOptions = {},
): Promise<ExportedFolder> {
  checkArgument("checkpoint", checkpoint, "text");
  checkArgument("folder", folder, "text");
  checkArgument("options?", options, {
    "weights?": "text",
    "onnx?": ["'float32' | 'float16' | 'int8'"],
    "onProgress?": "function",
    "signal?": "object",
  });
  const { weights, onnx = ["float32", "float16", "int8"], onProgress, signal } = options;
  const { image, text, textSide } = await openEncoder(checkpoint, { textWeights: weights, onProgress, signal });
  let model: HuggingFaceModel;
  let contextLength = 0;
  const isMasked = image.options.regions === "mask";
  try {
    if (!(image.tower instanceof VisionTransformer)) {
      throw new VillaError(
        "Unsupported",
        `${checkpoint} holds ${image.name}, which has no class in transformers; vision transformers of CLIP, SigLIP and DINOv2 have one. Export it as .onnx or .pth.`,
      );
    }
    const { tower } = image;
    const words = text && isTextEncoder(text) ? text : undefined;
    contextLength = words?.tokenizer.contextLength ?? 0;
    model = huggingFaceModel({
      image: { config: { ...tower.config, input: tower.input }, weights: await tower.stateDict() },
      text: words && { ...words.description, weights: await words.tower.stateDict() },
      ...(await logitsOf(checkpoint)),
    });
  } finally {
    image.dispose();
    text?.dispose();
  }
  await mkdir(join(folder, "onnx"), { recursive: true });
  const files: string[] = [];
  const write = async (name: string, contents: Uint8Array | string) => {
    throwIfAborted(signal, "The export was stopped; the same command begins anew.");
    await atomicWriteFile(join(folder, name), contents);
    files.push(join(folder, name));
  };
  await write("config.json", json(model.config));
  await write("preprocessor_config.json", json(model.preprocessor));
  await write("model.safetensors", writeSafetensors(model.tensors, { format: "pt" }));
  if (model.hasText) {
    const source = await openEncoderFiles(textSide!.source!, { onProgress, signal });
    files.push(...(await copyTokenizer(source, folder, contextLength)));
  }
  await write("README.md", readme(model, onnx, isMasked));
  const models = Object.entries(model.onnx).flatMap(([name, make]) =>
    onnx.map((precision) => ({ name, precision, make })),
  );
  for (const [done, { name, precision, make }] of models.entries()) {
    onProgress?.({ task: `writing ONNX, ${precision}`, done, total: models.length, unit: "models" });
    const contents = make(precision);
    for (const ending of endings[precision]) await write(`onnx/${name}${ending}.onnx`, contents);
  }
  return { architecture: model.architecture, hasText: model.hasText, files };
}

/** How transformers.js finds a number format; `_quantized` is what it takes in browsers when nothing is said. */
const endings: Readonly<Record<OnnxPrecision, readonly string[]>> = {
  float32: [""],
  float16: ["_fp16"],
  int8: ["_int8", "_quantized"],
};

/** Text towers of token ids; hashed words have no weights. */
function isTextEncoder(text: TextTower): text is TextEncoder {
  return "tower" in text && "tokenizer" in text;
}

/** What cosines are multiplied with, and the bias: learned, set for training, or as the model's own files have it. */
async function logitsOf(path: string): Promise<Pick<HuggingFaceSource, "logitScale" | "logitBias">> {
  if (!(await isCheckpoint(path))) {
    const { weights } = await openEncoderFiles(path);
    const read = async (name: string) => (weights?.tensors.has(name) ? (await weights.read(name))[0] : undefined);
    return { logitScale: (await read("logit_scale")) ?? usualScale, logitBias: await read("logit_bias") };
  }
  const { tensors, extra } = await loadCheckpoint(path);
  const learned = (name: string) => {
    const tensor = tensors.get(`model.${name}`);
    return tensor && toFloat32(tensor)[0];
  };
  const { loss } = (extra?.config ?? {}) as { loss?: { name?: string; temp?: number; bias?: number } | undefined };
  const set = loss?.temp === undefined ? usualScale : -Math.log(loss.temp);
  const bias = learned("logit_bias") ?? (loss?.name === "sigmoid" ? loss.bias : undefined);
  return { logitScale: learned("logit_scale") ?? set, logitBias: bias };
}

/** CLIP's start: a temperature of 0.07. */
const usualScale = -Math.log(0.07);

/** Files that a tokenizer may consist of. */
const tokenizerFiles = [
  ...["tokenizer.json", "special_tokens_map.json", "added_tokens.json", "vocab.json", "merges.txt", "vocab.txt"],
  ...["spiece.model", "tokenizer.model", "sentencepiece.bpe.model"],
];

/** The text side's own tokenizer, or CLIP's where there is none. */
async function copyTokenizer(source: EncoderFiles, folder: string, contextLength: number): Promise<string[]> {
  const written: string[] = [];
  const write = async (name: string, contents: unknown) => {
    await atomicWriteFile(join(folder, name), json(contents));
    written.push(join(folder, name));
  };
  const known = await source.json("tokenizer.json");
  const clip = known ? undefined : clipTokenizerFiles(contextLength);
  if (clip) await write("tokenizer.json", clip.tokenizer);
  for (const name of known ? tokenizerFiles : []) {
    const path = source.path(name);
    if (path === undefined) continue;
    await copyFile(path, join(folder, name));
    written.push(join(folder, name));
  }
  const config = clip?.config ??
    (await source.json("tokenizer_config.json")) ?? { tokenizer_class: "PreTrainedTokenizerFast" };
  // Without a length, or with the huge number that stands for none, texts would neither be cut nor filled up.
  const { model_max_length: longest } = config as { model_max_length?: unknown };
  const isLength = typeof longest === "number" && longest <= contextLength;
  await write("tokenizer_config.json", { ...config, model_max_length: isLength ? longest : contextLength });
  return written;
}

function json(contents: unknown): string {
  return `${JSON.stringify(contents, null, 2)}\n`;
}

/** The library in JavaScript that the folder is for; nothing here imports it. */
const inJavaScript = "@huggingface/transformers";

function readme(
  { architecture, hasText, onnx, config }: HuggingFaceModel,
  precisions: readonly OnnxPrecision[],
  isMasked: boolean,
): string {
  const texts = hasText ? "" : "\nThe text side is not part of this folder: it has no class beside this image tower.\n";
  const models = Object.keys(onnx).flatMap((name) =>
    precisions.flatMap((precision) =>
      endings[precision].map((ending) => `| \`onnx/${name}${ending}.onnx\` | ${precision} |`),
    ),
  );
  const isDino = !("vision_model" in onnx);
  const patches = isDino
    ? "`last_hidden_state` holds the class token, registers and the patch tokens"
    : "`patch_embeds` of the vision model [pictures, patches, d] is the map that regions are cut from, in the space of the whole picture's vector";
  const cut = isMasked
    ? "It was trained on their means over masks: give `--regions mask` to `villa preprocess --encoder THIS-FOLDER`, `villa encode`, `evaluate`, `query` and `annotate`, which take boxes otherwise."
    : "`villa preprocess --encoder THIS-FOLDER` and `villa encode` cut them.";
  return `---
library_name: transformers
tags: [villa]
---
# A model of ViLLA

${architecture}, as \`transformers\` and transformers.js load it (model type \`${config.model_type}\`).
${texts}
\`\`\`python
from transformers import ${architecture}

model = ${architecture}.from_pretrained("this-folder")
\`\`\`

\`\`\`js
import { ${architecture} } from ${JSON.stringify(inJavaScript)};

const model = await ${architecture}.from_pretrained("this-folder", { dtype: "fp32" }); // or fp16, int8
\`\`\`

| model | numbers |
|---|---|
${models.join("\n")}

Regions: ${patches}. ${cut}
`;
}

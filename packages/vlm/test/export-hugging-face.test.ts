// What is exported in Hugging Face's layout loads in transformers.js from the disk, and in Python's transformers, and
// gives there what it gives here.
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import * as transformers from "@huggingface/transformers";
import { type RgbImage, type TensorData, writeSafetensors } from "@villa/data";
import { type VitConfig, vitParameterShapes } from "@villa/encoders";
import { openEncoder } from "@villa/encoders/node";
import { bytes, cosineSimilarity, expectAllClose, findPython, golden } from "@villa/testing";
import { testBackends } from "@villa/testing/backends";
import { namedTransformer } from "@villa/testing/transformer-weights";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { exportHuggingFace } from "../src/node.ts";

type Json = Readonly<Record<string, unknown>>;

/** A case of text_towers.json and open_clip_text.json, see tools/golden. */
interface TextCase {
  readonly kind: string;
  readonly salt: string;
  readonly files: Readonly<Record<string, Json>>;
  readonly shapes: Readonly<Record<string, readonly number[]>>;
}

const { json } = golden();
const textCases = ["text_towers.json", "open_clip_text.json"].flatMap(
  (name) => json<{ cases: TextCase[] }>(name).cases,
);
const textCase = (kind: string): TextCase => textCases.find((each) => each.kind === kind)!;

const side = 32;
const sizes = { imageSize: side, patchSize: 8, width: 16, layers: 2, heads: 2, hidden: 32 } as const;
const picture: RgbImage = { width: side, height: side, channels: 3, data: bytes("hugging-face", 3 * side * side) };
/** None so long that it is cut: transformers.js cuts the end token off with the rest. */
const texts = ["The image shows a three.", "a small effusion", "two brown dogs"];
const [logitScale, logitBias] = [2.5, -1.5];

interface Model {
  readonly name: string;
  readonly image: Omit<VitConfig, keyof typeof sizes>;
  /** Of the golden text towers. */
  readonly text?: string | undefined;
  readonly architecture: string;
}

const models: readonly Model[] = [
  {
    name: "clip",
    image: { naming: "clip", embedDim: 10, activation: "quick_gelu", epsilon: 1e-5 },
    text: "clip",
    architecture: "CLIPModel",
  },
  {
    name: "open-clip",
    image: { naming: "open-clip", embedDim: 12, activation: "gelu", epsilon: 1e-5 },
    text: "openclip",
    architecture: "CLIPModel",
  },
  {
    name: "siglip",
    image: { naming: "siglip", embedDim: 16, activation: "gelu_tanh", epsilon: 1e-6 },
    text: "siglip",
    architecture: "SiglipModel",
  },
  {
    name: "dinov2",
    image: { naming: "dinov2", embedDim: 16, activation: "gelu", epsilon: 1e-6 },
    architecture: "Dinov2Model",
  },
  {
    name: "dinov2-registers",
    image: { naming: "dinov2", embedDim: 16, activation: "gelu", epsilon: 1e-6, registers: 2 },
    architecture: "Dinov2WithRegistersModel",
  },
  {
    name: "clip-vision",
    image: { naming: "clip", embedDim: 10, activation: "quick_gelu", epsilon: 1e-5 },
    architecture: "CLIPVisionModelWithProjection",
  },
];

let root = "";
beforeAll(async () => {
  await testBackends()[0]!.activate();
  root = await mkdtemp(join(tmpdir(), "villa-hugging-face-"));
  transformers.env.allowRemoteModels = false;
  transformers.env.localModelPath = root;
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function put(path: string, contents: Uint8Array | string): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, contents);
}

/** A tiny model in the layout of its own library. */
async function writeModel({ name, image, text }: Model): Promise<string> {
  const folder = join(root, `${name}-source`);
  const words = text === undefined ? undefined : textCase(text);
  const textShapes = Object.entries(words?.shapes ?? {}).filter(([tensor]) => !tensor.startsWith("vis"));
  const shapes = Object.fromEntries([...vitParameterShapes({ ...sizes, ...image }), ...textShapes]);
  // SigLIP's text head gives vectors as long as the image tower's.
  const head: Record<string, number[]> =
    text === "siglip" ? { "text_model.head.weight": [sizes.width, 24], "text_model.head.bias": [sizes.width] } : {};
  const tensors = new Map<string, TensorData>(namedTransformer(`hf:${name}`, { ...shapes, ...head }));
  tensors.set("logit_scale", { dtype: "float32", shape: [], data: Float32Array.of(logitScale) });
  if (text === "siglip") tensors.set("logit_bias", { dtype: "float32", shape: [1], data: Float32Array.of(logitBias) });
  const vision = {
    num_attention_heads: sizes.heads,
    hidden_act: { gelu: "gelu", gelu_tanh: "gelu_pytorch_tanh", quick_gelu: "quick_gelu" }[image.activation],
  };
  for (const [file, contents] of Object.entries(words?.files ?? {}))
    await put(join(folder, file), JSON.stringify(contents));
  if (image.naming === "open-clip") {
    const config = words!.files["open_clip_config.json"] as { model_cfg: Json };
    const changed = {
      ...config,
      model_cfg: { ...config.model_cfg, vision_cfg: { head_width: sizes.width / sizes.heads } },
    };
    await put(join(folder, "open_clip_config.json"), JSON.stringify(changed));
  } else {
    const config = { ...words?.files["config.json"], vision_config: vision };
    const whole = image.naming === "dinov2" ? vision : config;
    await put(join(folder, "config.json"), JSON.stringify(whole));
  }
  await put(join(folder, "model.safetensors"), writeSafetensors(tensors));
  return folder;
}

/** What the tower gives here: of the whole picture, its patches, and texts. */
async function ours(folder: string) {
  const { image, text } = await openEncoder(folder);
  const patches = [0, 1].map((row) => [row * 8, 0, row * 8 + 8, 8] as const);
  const result = {
    image: await image.encodeImages([picture]),
    regions: await image.encodeRegions([picture], [patches]),
    texts: text && (await text.encodeText(texts)),
  };
  image.dispose();
  text?.dispose();
  return result;
}

const python = findPython("transformers", "torch");

/** What a pair gives for a picture and a text. */
function logitOf({ name }: Model, text: ArrayLike<number>, image: ArrayLike<number>): number {
  return Math.exp(logitScale) * cosineSimilarity(text, image) + (name === "siglip" ? logitBias : 0);
}

/** Each model once: exported, and what it gives here. */
const prepared = new Map<string, Promise<{ exported: string; expected: Awaited<ReturnType<typeof ours>> }>>();
function prepare(model: Model) {
  const known = prepared.get(model.name) ?? exportModel(model);
  prepared.set(model.name, known);
  return known;
}

async function exportModel(model: Model) {
  const source = await writeModel(model);
  const expected = await ours(source);
  const exported = join(root, model.name);
  const { architecture, hasText } = await exportHuggingFace(source, exported);
  expect({ architecture, hasText }).toEqual({ architecture: model.architecture, hasText: model.text !== undefined });
  return { exported, expected };
}

describe.each(models)("$name", (model) => {
  let exported = "";
  let expected: Awaited<ReturnType<typeof ours>>;
  beforeAll(async () => {
    ({ exported, expected } = await prepare(model));
  });

  test("the folder has what both libraries look for", async () => {
    const found = (await readdir(exported, { recursive: true })).sort();
    const bases = model.text
      ? ["vision_model", "text_model", "model"]
      : model.name.startsWith("dino")
        ? ["model"]
        : ["vision_model"];
    const onnx = bases.flatMap((base) =>
      ["", "_fp16", "_int8", "_quantized"].map((ending) => `onnx/${base}${ending}.onnx`),
    );
    const files = ["config.json", "preprocessor_config.json", "model.safetensors", ...onnx];
    expect(found).toEqual(
      expect.arrayContaining(model.text ? [...files, "tokenizer.json", "tokenizer_config.json"] : files),
    );
    const config = JSON.parse(await readFile(join(exported, "config.json"), "utf8"));
    expect(config.architectures).toEqual([model.architecture]);
  });

  test("villa opens it again", async () => {
    const again = await ours(exported);
    expectAllClose(again.image, expected.image, { rtol: 1e-5 });
    expectAllClose(again.regions, expected.regions, { rtol: 1e-5 });
    if (model.text) expectAllClose(again.texts!, expected.texts!, { rtol: 1e-5 });
  });

  test.each([
    ["fp32", 1 - 1e-6],
    ["fp16", 0.9999],
    ["int8", 0.98],
    ["q8", 0.98],
  ] as const)("transformers.js loads it from the disk as %s", async (dtype, least) => {
    const name = basename(exported);
    const options = { dtype, local_files_only: true };
    const pixels = new transformers.RawImage(interleaved(picture), side, side, 3);
    const processor = await transformers.AutoImageProcessor.from_pretrained(name, {});
    const inputs = await processor([pixels]);
    const isDual = model.text !== undefined;
    const { CLIPVisionModelWithProjection, SiglipVisionModel, AutoModel } = transformers;
    const vision = model.image.naming.includes("clip")
      ? CLIPVisionModelWithProjection
      : model.image.naming === "siglip"
        ? SiglipVisionModel
        : AutoModel;
    const ofImage = await vision.from_pretrained(name, options);
    const outputs = await ofImage(inputs);
    const pooled = outputs.image_embeds ?? outputs.pooler_output;
    expect(cosineSimilarity(pooled.data, expected.image)).toBeGreaterThan(least);
    const patches = outputs.patch_embeds ?? outputs.last_hidden_state;
    const [, tokens, width] = patches.dims;
    const first = patches.data.slice((tokens - 16) * width, (tokens - 15) * width); // the upper left patch
    expect(cosineSimilarity(first, expected.regions.subarray(0, width))).toBeGreaterThan(least);
    await ofImage.dispose();
    if (!isDual) return;

    const tokenizer = await transformers.AutoTokenizer.from_pretrained(name, {});
    const words = tokenizer(texts, { padding: model.name === "siglip" ? "max_length" : true, truncation: true });
    const both = await AutoModel.from_pretrained(name, options);
    const {
      text_embeds: ofTexts,
      image_embeds: ofPicture,
      logits_per_image: logits,
    } = await both({ ...words, ...inputs });
    expect(cosineSimilarity(ofPicture.data, expected.image)).toBeGreaterThan(least);
    const dimension = expected.image.length;
    for (const i of texts.keys()) {
      const own = expected.texts!.subarray(i * dimension, (i + 1) * dimension);
      expect(cosineSimilarity(ofTexts.data.slice(i * dimension, (i + 1) * dimension), own)).toBeGreaterThan(least);
      if (dtype === "fp32") expect(logits.data[i]).toBeCloseTo(logitOf(model, own, expected.image), 3);
    }
    await both.dispose();
  });
});

const script = `
import json, sys
import numpy as np, torch, transformers
from PIL import Image

cases, pixels, texts = (json.loads(argument) for argument in sys.argv[1:])
picture = Image.fromarray(np.array(pixels, dtype=np.uint8).reshape(${side}, ${side}, 3))
pooled = lambda out: out if torch.is_tensor(out) else out.pooler_output
flat = lambda out: out.flatten().tolist()
results = []
for case in cases:
    folder = case["folder"]
    cls = getattr(transformers, case["architecture"])
    model, info = cls.from_pretrained(folder, output_loading_info=True)
    result = {name: sorted(info[name]) for name in ("missing_keys", "unexpected_keys")}
    result["auto"] = type(transformers.AutoModel.from_pretrained(folder)).__name__
    inputs = transformers.AutoImageProcessor.from_pretrained(folder)(picture, return_tensors="pt")
    with torch.no_grad():
        if case["padding"]:
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
            padding = True if case["padding"] == "longest" else case["padding"]
            words = tokenizer(texts, return_tensors="pt", padding=padding, truncation=True)
            out = model(input_ids=words["input_ids"], **inputs)
            result["texts"] = flat(pooled(model.get_text_features(input_ids=words["input_ids"])))
            result["image"] = flat(pooled(model.get_image_features(**inputs)))
            result["logits"] = flat(out.logits_per_image)
        else:
            out = model(**inputs)
            result["image"] = flat(out.image_embeds if "image_embeds" in out else out.pooler_output)
    results.append(result)
print(json.dumps(results))
`;

test.skipIf(!python)(
  "Python's transformers loads every one of them, and no weight is missing or too many",
  async () => {
    const folders = await Promise.all(models.map(prepare));
    const cases = models.map(({ architecture, text }, i) => ({
      folder: folders[i]!.exported,
      architecture,
      padding: text === undefined ? null : text === "siglip" ? "max_length" : "longest",
    }));
    const inputs = [cases, [...interleaved(picture)], texts].map((input) => JSON.stringify(input));
    const results = python!.json<PythonResult[]>(script, ...inputs);
    for (const [i, result] of results.entries()) {
      const { name, architecture, text } = models[i]!;
      const { expected } = folders[i]!;
      expect(result, name).toMatchObject({ missing_keys: [], unexpected_keys: [] });
      expect(result.auto).toBe(architecture.replace("WithProjection", ""));
      expectAllClose(result.image, expected.image, { rtol: 1e-4, atol: 1e-4, label: name });
      if (text === undefined) continue;
      expectAllClose(result.texts!, expected.texts!, { rtol: 1e-4, atol: 1e-4, label: `${name}, texts` });
      const own = expected.texts!.subarray(0, expected.image.length);
      expect(result.logits![0]).toBeCloseTo(logitOf(models[i]!, own, expected.image), 3);
    }
  },
);

interface PythonResult {
  readonly auto: string;
  readonly image: number[];
  readonly texts?: number[];
  readonly logits?: number[];
}

/** Planes as libraries have pixels. */
function interleaved({ width, height, data }: RgbImage): Uint8ClampedArray {
  const area = width * height;
  return Uint8ClampedArray.from({ length: 3 * area }, (_, at) => data[(at % 3) * area + Math.floor(at / 3)]!);
}

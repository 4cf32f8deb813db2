// Towers exported to ONNX and run by ONNX Runtime, beside what the Python originals give for the same weights.

import * as tf from "@tensorflow/tfjs-core";
import { l2Normalize } from "@villa/core";
import type { TensorData } from "@villa/data";
import {
  bytes,
  cosineSimilarity,
  expectAllClose,
  expectSummary,
  golden,
  type Summary,
  tensorValues,
  unit,
} from "@villa/testing";
import { testBackends } from "@villa/testing/backends";
import { namedTransformer } from "@villa/testing/transformer-weights";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { beforeAll, describe, expect, test } from "vitest";
import { memoryWeights } from "../src/files.ts";
import {
  type EncoderFiles,
  exportDualModel,
  exportTextModel,
  exportVisionModel,
  exportVisionRegionEncoder,
  loadImageEncoder,
  loadTextTower,
  regionInput,
  type TextEncoder,
  type VitConfig,
} from "../src/index.ts";

type Json = Readonly<Record<string, unknown>>;

/** A case of towers.json, see tools/golden/towers.py. */
interface TowerCase {
  readonly name: string;
  readonly salt: string;
  readonly config: Json;
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  readonly images: readonly {
    readonly size: readonly [number, number];
    readonly pooled: readonly number[];
    readonly dense: Partial<Record<"value" | "last-hidden", Summary>>;
  }[];
}

/** A case of text_towers.json, see tools/golden/text_towers.py. */
interface TextCase {
  readonly kind: string;
  readonly salt: string;
  readonly files: Readonly<Record<string, Json>>;
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  readonly texts: readonly string[];
  readonly tokens: readonly (readonly number[])[];
  readonly features: readonly Summary[];
}

const { json } = golden();
const casesOf = <Case>(...files: string[]) => files.flatMap((file) => json<{ cases: Case[] }>(file).cases);
const towerCases = casesOf<TowerCase>("towers.json", "towers_open_clip.json", "towers_timm.json");
const textCases = casesOf<TextCase>("text_towers.json", "open_clip_text.json");

/** The rules of `weight` in tools/golden/towers.py. */
function towerWeight(name: string, seed: string, shape: readonly number[]): Float32Array {
  const values = unit(seed, shape.reduce((product, side) => product * side, 1)); // biome-ignore format: one thought
  if (name.endsWith("bias")) return Float32Array.from(values, (value) => 0.05 * value);
  if (shape.length === 1 && /(?:weight|lambda1)$/.test(name)) return Float32Array.from(values, (v) => 1 + 0.1 * v);
  if (/position|class_|cls_|register|probe/.test(name)) return Float32Array.from(values, (value) => 0.5 * value);
  const inputs = shape.slice(1).reduce((product, side) => product * side, 1);
  return Float32Array.from(values, (value) => value * Math.sqrt(3 / inputs));
}

function towerFiles({ salt, shapes, config }: TowerCase): EncoderFiles {
  const tensors = Object.entries(shapes).map(([name, shape]): [string, TensorData] => [
    name,
    { dtype: "float32", shape: [...shape], data: towerWeight(name, `${salt}:${name}`, shape) },
  ]);
  const file = "model_cfg" in config ? "open_clip_config.json" : "config.json";
  return {
    label: "golden",
    weights: memoryWeights(new Map(tensors)),
    json: async (name) => (name === file ? config : undefined),
    path: () => undefined,
  };
}

/** The tower of a case, with what an export needs of it. */
async function openTower(each: TowerCase, dense?: "value" | "last-hidden") {
  const { tower } = await loadImageEncoder({ files: towerFiles(each), dense });
  const config = { ...tower!.description.config, dense } as unknown as VitConfig;
  return { tower: tower!, weights: await tower!.stateDict(), config };
}

function openText({ kind, salt, shapes, files }: TextCase): Promise<TextEncoder> {
  const weights = memoryWeights(namedTransformer(salt, shapes));
  return loadTextTower({
    files: { label: kind, weights, json: async (name) => files[name], path: () => undefined },
  }) as Promise<TextEncoder>;
}

type Outputs = Readonly<Record<string, { readonly data: Float32Array; readonly dims: readonly number[] }>>;

async function run(model: Uint8Array, inputs: Readonly<Record<string, Tensor>>): Promise<Outputs> {
  const session = await InferenceSession.create(model);
  const outputs = await session.run(inputs);
  await session.release();
  return outputs as unknown as Outputs;
}

const int64 = (values: readonly number[], shape: readonly number[]) =>
  new Tensor("int64", BigInt64Array.from(values, BigInt), shape);
const pixelsOf = (name: string, count: number, side: number) =>
  new Tensor("float32", tensorValues(name, [count, 3, side, side]), [count, 3, side, side]);

/** Token ids filled up to one length, as a model takes them. */
function textInputs(encoder: TextEncoder, sequences: readonly (readonly number[])[]): Record<string, Tensor> {
  const { fill, contextLength } = encoder.tokenizer;
  const filled = encoder.tower.sizes.fill !== undefined;
  const length = filled ? contextLength : Math.max(...sequences.map((sequence) => sequence.length));
  const shape = [sequences.length, length];
  const rows = (value: (id: number | undefined) => number) =>
    int64(sequences.flatMap((sequence) => Array.from({ length }, (_, i) => value(sequence[i]))), shape); // biome-ignore format: one thought
  const ids = rows((id) => id ?? fill);
  if (encoder.description.family !== "bert") return { input_ids: ids };
  return { input_ids: ids, attention_mask: rows((id) => (id === undefined ? 0 : 1)), token_type_ids: rows(() => 0) };
}

/** How close models of rounded numbers come, as the cosine of what they give. */
const rounded = [
  ["float16", 0.99999],
  ["int8", 0.99],
] as const;

beforeAll(() => testBackends()[0]!.activate());

describe.each(towerCases)("image tower: $name", (each) => {
  const side = 32;
  const square = each.images.find(({ size: [height, width] }) => height === side && width === side)!;

  test("pictures and patches", async () => {
    const { tower, weights, config } = await openTower(each);
    const pixels = { pixel_values: pixelsOf(`${each.salt}:${side}x${side}`, 2, side) };
    const exact = await run(exportVisionModel(weights, config), pixels);
    const pooled =
      exact[each.name.startsWith("clip") || each.name.startsWith("open") ? "image_embeds" : "pooler_output"]!;
    expect(pooled.dims).toEqual([2, config.embedDim]);
    const scale = Math.sqrt(square.pooled.reduce((sum, value) => sum + value ** 2, 0) / square.pooled.length);
    expectAllClose(pooled.data, square.pooled, { rtol: 1e-4, atol: 1e-4 * scale, label: "pooled" });
    if (square.dense.value) {
      expect(exact.patch_embeds!.dims).toEqual([2, 16, config.embedDim]);
      expectSummary(exact.patch_embeds!.data, square.dense.value, 1e-4, "patches");
    } else {
      const [images, tokens, width] = exact.last_hidden_state!.dims as [number, number, number];
      const patches = Array.from({ length: images }, (_, image) =>
        exact.last_hidden_state!.data.subarray((image * tokens + tokens - 16) * width, (image + 1) * tokens * width),
      );
      expectSummary(patches.flatMap((rows) => [...rows]), square.dense["last-hidden"]!, 1e-4, "patches"); // biome-ignore format: one thought
    }
    const size = exportVisionModel(weights, config).length;
    for (const [precision, least] of rounded) {
      const model = exportVisionModel(weights, config, { precision });
      expect(model.length).toBeLessThan(size);
      const outputs = await run(model, pixels);
      for (const [name, { data, dims }] of Object.entries(exact)) {
        expect(outputs[name]!.dims, name).toEqual(dims);
        expect(cosineSimilarity(outputs[name]!.data, data), `${precision} ${name}`).toBeGreaterThan(least);
      }
    }
    tower.dispose();
  });

  test.each(Object.keys(square.dense) as ("value" | "last-hidden")[])("regions of the %s map", async (dense) => {
    const { tower, weights, config } = await openTower(each, dense);
    const pictures = [0, 1].map((i) => ({ width: side, height: side, data: bytes(`export:${i}`, 3 * side * side) }));
    const boxes = [[[0, 0, 24, 16]], [[8, 16, 32, 32], [3, 5, 17, 29]]]; // biome-ignore format: by image
    const { images, regions } = regionInput(tower.input, { images: pictures, boxes });
    const ours = tf.tidy(() => l2Normalize(tower.regionEmbeddings(tower.features(images), regions)));
    const planes = pictures.flatMap(({ data }) => [...data]);
    const inputs = {
      images: new Tensor("float32", Float32Array.from(planes, (byte) => byte / 255), [2, 3, side, side]), // biome-ignore format: one thought
      boxes: new Tensor("float32", Float32Array.from(boxes.flat(2)), [3, 4]),
      image_index: int64([0, 1, 1], [3]),
    };
    const { embeddings } = await run(exportVisionRegionEncoder(weights, config), inputs);
    expect(embeddings!.dims).toEqual([3, config.embedDim]);
    expectAllClose(embeddings!.data, ours.dataSync(), { rtol: 1e-4, atol: 1e-5 });
    for (const [precision, least] of rounded) {
      const outputs = await run(exportVisionRegionEncoder(weights, config, { precision }), inputs);
      expect(cosineSimilarity(outputs.embeddings!.data, embeddings!.data), precision).toBeGreaterThan(least);
    }
    tf.dispose([ours, images]);
    tower.dispose();
  });
});

describe.each(textCases)("text tower: $kind $salt", (each) => {
  test("texts", async () => {
    const encoder = await openText(each);
    const [weights, inputs] = [await encoder.tower.stateDict(), textInputs(encoder, each.tokens)];
    const exact = await run(exportTextModel(weights, encoder.description), inputs);
    const name = Object.keys(exact).find((output) => output !== "last_hidden_state")!;
    each.features.forEach((row, text) => {
      const own = exact[name]!.data.subarray(text * encoder.embedDim, (text + 1) * encoder.embedDim);
      expectSummary(own, row, 1e-4, `"${each.texts[text]}"`);
    });
    for (const [precision, least] of rounded) {
      const outputs = await run(exportTextModel(weights, encoder.description, { precision }), inputs);
      expect(cosineSimilarity(outputs[name]!.data, exact[name]!.data), precision).toBeGreaterThan(least);
    }
    encoder.dispose();
  });
});

test("both towers in one file: scaled cosines, and the bias of SigLIP", async () => {
  const [image, text] = [
    await openTower(towerCases.find(({ name }) => name === "siglip")!),
    await openText(textCases.find(({ kind }) => kind === "siglip")!),
  ];
  const { config, weights } = image;
  const texts = textInputs(text, textCases.find(({ kind }) => kind === "siglip")!.tokens.slice(0, 3));
  const pixel_values = pixelsOf("export:dual", 2, 32);
  const [alone, words] = [
    await run(exportVisionModel(weights, config), { pixel_values }),
    await run(exportTextModel(await text.tower.stateDict(), text.description), texts),
  ];
  // Cosines need vectors of one length: the text tower is given a head for it.
  expect(words.pooler_output!.dims[1]).not.toBe(alone.pooler_output!.dims[1]);
  const width = config.embedDim;
  const head = new Map(await text.tower.stateDict());
  head.set("text_model.head.weight", { dtype: "float32", shape: [width, 24], data: tensorValues("head", [width, 24]) });
  head.set("text_model.head.bias", { dtype: "float32", shape: [width], data: tensorValues("bias", [width]) });
  const fitting = { ...text.description, config: { ...text.description.config, embedDim: width }, weights: head };
  const own = await run(exportTextModel(head, fitting), texts);
  for (const precision of ["float32", "float16", "int8"] as const) {
    const dual = { image: { weights, config }, text: fitting, logitScale: Math.log(10), logitBias: -5 };
    const both = await run(exportDualModel(dual, { precision }), { ...texts, pixel_values });
    expect(both.logits_per_image!.dims).toEqual([2, 3]);
    for (let i = 0; i < 2; i++) {
      for (let t = 0; t < 3; t++) {
        const row = (rows: Float32Array, at: number) => rows.subarray(at * width, (at + 1) * width);
        const expected = 10 * cosineSimilarity(row(alone.pooler_output!.data, i), row(own.pooler_output!.data, t)) - 5;
        const tolerance = { float32: 1e-4, float16: 3e-2, int8: 0.5 }[precision];
        expect(Math.abs(both.logits_per_image!.data[i * 3 + t]! - expected), precision).toBeLessThan(tolerance);
        expect(both.logits_per_text!.data[t * 2 + i]).toBe(both.logits_per_image!.data[i * 3 + t]);
      }
    }
  }
  image.tower.dispose();
  text.dispose();
});

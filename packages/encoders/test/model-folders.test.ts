import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { plainCpuBackend } from "@villa/core";
import { saveTorch, type TensorData, writeSafetensors } from "@villa/data";
import { golden } from "@villa/testing";
import { namedTransformer } from "@villa/testing/transformer-weights";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { bertFamily, blobFiles, type EncoderFiles } from "../src/index.ts";
import { openWeights } from "../src/node/open-weights.ts";
import { openEncoderFiles } from "../src/node.ts";

interface Case {
  readonly kind: string;
  readonly salt: string;
  readonly files: Readonly<Record<string, unknown>>;
  readonly shapes: Readonly<Record<string, readonly number[]>>;
  readonly texts: readonly string[];
}

const { cases } = golden().json<{ cases: Case[] }>("text_towers.json");
const bert = cases.find(({ kind }) => kind === "bert-mean")!;
const tensors = namedTransformer(bert.salt, bert.shapes);

let root: string;
let folder: string;
let serial = 0;
let expected: Float32Array;
beforeAll(async () => {
  await plainCpuBackend().activate();
  root = await mkdtemp(join(tmpdir(), "villa-folders-"));
  folder = join(root, "reference");
  await write(writeSafetensors(tensors), "model.safetensors");
  expected = await features();
});
afterAll(() => rm(root, { recursive: true, force: true }));
beforeEach(() => {
  folder = join(root, `${serial++}`);
});

/** Fills the folder: the case's JSON files and one of weights. */
async function write(weights: Uint8Array | string, name: string, files = bert.files): Promise<void> {
  for (const [file, contents] of Object.entries(files)) await put(file, JSON.stringify(contents));
  await put(name, weights);
}
async function put(name: string, contents: Uint8Array | string): Promise<void> {
  await mkdir(dirname(join(folder, name)), { recursive: true });
  await writeFile(join(folder, name), contents);
}
async function features(): Promise<Float32Array> {
  const rows = await featuresOf(await openEncoderFiles(folder));
  // A page gets the same files as blobs, in the folder that was dropped.
  const blobs = new Map<string, Blob>();
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const path = join(entry.parentPath, entry.name);
    blobs.set(`dropped/${relative(folder, path).replaceAll("\\", "/")}`, new Blob([await readFile(path)]));
  }
  expect(await featuresOf(await blobFiles(blobs))).toEqual(rows);
  return rows;
}
async function featuresOf(files: EncoderFiles): Promise<Float32Array> {
  const encoder = await bertFamily.load({ files });
  const rows = await encoder.encodeText(bert.texts);
  encoder.dispose();
  return rows;
}
const renamed = (rename: (name: string) => string) =>
  new Map([...tensors].map(([name, tensor]) => [rename(name), tensor]));
const half = (filter: (index: number) => boolean) => new Map([...tensors].filter((_, index) => filter(index)));

async function writeShards(): Promise<void> {
  const map = Object.fromEntries([...tensors.keys()].map((name, i) => [name, `part-${i % 2}.safetensors`]));
  await write(JSON.stringify({ weight_map: map }), "model.safetensors.index.json");
  for (const shard of [0, 1]) await put(`part-${shard}.safetensors`, writeSafetensors(half((i) => i % 2 === shard)));
}

describe("the same features come out of", () => {
  test("shards", async () => {
    await writeShards();
    expect(await features()).toEqual(expected);
  });

  test("pytorch_model.bin", async () => {
    await write(saveTorch(tensors), "pytorch_model.bin");
    expect(await features()).toEqual(expected);
  });

  test.each([
    "module.",
    "_orig_mod.",
    "_fsdp_wrapped_module.",
    "_forward_module.",
    "model.",
    "net.",
    "model_ema.module.",
    "module._orig_mod.bert.",
    "text_encoder.",
  ])("names under %s", async (prefix) => {
    await write(writeSafetensors(renamed((name) => prefix + name)), "model.safetensors");
    expect(await features()).toEqual(expected);
  });

  test("layers that were wrapped each", async () => {
    const inside = (name: string) => name.replace(/layer\.(\d+)\./, "layer.$1._fsdp_wrapped_module.");
    await write(writeSafetensors(renamed(inside)), "model.safetensors");
    expect(await features()).toEqual(expected);
  });

  test("the moving average where a file holds both", async () => {
    const zeros = ([name, tensor]: [string, TensorData]): [string, TensorData] => [
      `model.${name}`,
      { ...tensor, data: new Float32Array(tensor.data.length) },
    ];
    const both = new Map([...[...tensors].map(zeros), ...renamed((name) => `model_ema.${name}`)]);
    await write(writeSafetensors(both), "model.safetensors");
    expect(await features()).toEqual(expected);
  });
});

test("halves are widened, in safetensors and torch's files", async () => {
  for (const dtype of ["float16", "bfloat16"] as const) {
    const values = Float32Array.of(1, -0.5, 0.25);
    const narrow = new Map([["a", { dtype, shape: [3], data: values }]]);
    await write(writeSafetensors(narrow), "a.safetensors", {});
    await put("a.bin", saveTorch(narrow));
    for (const name of ["a.safetensors", "a.bin"]) {
      const weights = await openWeights(join(folder, name));
      expect(weights.tensors.get("a")).toMatchObject({ dtype, shape: [3] });
      expect(await weights.read("a")).toEqual(values);
    }
  }
});

describe("what cannot be loaded says why", () => {
  const refused = (code: string, message: RegExp) =>
    expect(features()).rejects.toMatchObject({ code, message: expect.stringMatching(message) });

  test("a missing shard", async () => {
    await writeShards();
    await rm(join(folder, "part-1.safetensors"));
    await refused("NotFound", /part-1\.safetensors, which holds \d+ of \d+ tensors, is missing/);
  });

  test("a shard that lacks what the index promises, and an index that leads elsewhere", async () => {
    await writeShards();
    await put("part-1.safetensors", writeSafetensors(half((i) => i === 0)));
    await refused("InvalidFile", /that file does not hold it/);
    await put("model.safetensors.index.json", '{"weight_map":{"a":"../secret.safetensors"}}');
    await refused("InvalidFile", /not a file name/);
    await put("model.safetensors.index.json", '{"weight_map":');
    await refused("InvalidFile", /index\.json is not JSON/);
  });

  test("files that were cut off", async () => {
    const whole = { "model.safetensors": writeSafetensors(tensors), "pytorch_model.bin": saveTorch(tensors) };
    for (const [name, bytes] of Object.entries(whole)) {
      folder = join(root, `${serial++}`);
      await write(bytes.subarray(0, bytes.length * 0.7), name);
      await refused("InvalidFile", new RegExp(name.replace(".", "\\.")));
    }
  });

  test("a tokenizer of another model", async () => {
    const clip = cases.find(({ kind }) => kind === "clip")!;
    const other = { ...bert.files, "tokenizer.json": clip.files["tokenizer.json"] };
    await write(writeSafetensors(tensors), "model.safetensors", other);
    await refused("Mismatch", /tokenizer of .* has 604 tokens but its text tower \d+/);
  });

  test("no tokenizer, and one that is none", async () => {
    const { "tokenizer.json": _, ...files } = bert.files;
    await write(writeSafetensors(tensors), "model.safetensors", files);
    await refused("NotFound", /no tokenizer\.json/);
    await put("tokenizer.json", "{}");
    await refused("InvalidFile", /has no model/);
  });

  test("weights of something else name their first tensors", async () => {
    const one: TensorData = { dtype: "float32", shape: [1], data: new Float32Array(1) };
    await write(writeSafetensors(new Map([["fc.weight", one]])), "model.safetensors");
    await refused("Mismatch", /does not hold a BERT text tower: its first tensors are fc\.weight/);
  });

  test("missing and superfluous layers", async () => {
    const without = new Map([...tensors].filter(([name]) => name !== "encoder.layer.1.output.dense.bias"));
    await write(writeSafetensors(without), "model.safetensors");
    await refused("Mismatch", /missing \(1\): encoder\.layer\.1\.output\.dense\.bias/);
  });

  test("a module that is not known, and a pooling of two kinds", async () => {
    const type = "sentence_transformers.models.Dense";
    await write(writeSafetensors(tensors), "model.safetensors", { ...bert.files, "modules.json": [{ type }] });
    await refused("Unsupported", /module "Dense"/);
    await put("modules.json", "[]");
    const both = { pooling_mode_cls_token: true, pooling_mode_mean_tokens: true };
    await put("1_Pooling/config.json", JSON.stringify(both));
    await refused("Unsupported", /pools by cls and mean/);
  });

  test("the same tensor under two names", async () => {
    const twice = new Map([...tensors, ...renamed((name) => `module.${name}`)]);
    await write(writeSafetensors(twice), "model.safetensors");
    await refused("Mismatch", /twice/);
  });

  test("nothing at all", async () => {
    await expect(openEncoderFiles(join(root, "nowhere"))).rejects.toMatchObject({ code: "NotFound" });
    await put("config.json", await readFile(join(root, "reference/config.json")));
    await refused("InvalidArgument", /holds no weights/);
  });
});

// The catalogue with a vision transformer out of a folder, by the commands of README.md, and what transformers.js and
// Python's transformers make of the result.
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as transformers from "@huggingface/transformers";
import { readSafetensors } from "@villa/data";
import { cosineSimilarity, findPython } from "@villa/testing";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type CataloguePage, makeCatalogue } from "../src/catalogue.ts";
import { makeEncoder } from "../src/encoder.ts";
import { writeTables } from "../src/tables.ts";
import { tryVilla, villa } from "./villa.ts";

const folder = mkdtempSync(join(tmpdir(), "villa-vit-catalogue-"));
const at = (...names: string[]) => join(folder, ...names);
const [data, encoder, checkpoint, exported] = [
  at("data"),
  at("encoder"),
  at("checkpoints/catalogue/last.safetensors"),
  at("catalogue-clip"),
];
const settings = [`data_dir=${data}`, `checkpoint_dir=${at("checkpoints")}`];
const question = "a red mug";
let pages: CataloguePage[] = [];

beforeAll(async () => {
  pages = await makeCatalogue(folder, 60);
  const tables = await writeTables(folder, pages);
  makeEncoder(encoder);
  await villa(
    ...["ingest", "--images", at("photos"), "--table", tables.jsonl!, "--out", data],
    ...["--attributes", at("attributes.json"), "--group-by", "shop"],
  );
  transformers.env.allowRemoteModels = false;
  transformers.env.localModelPath = folder;
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("preprocess and stage1 see regions through the transformer, and texts through its text side", async () => {
  const result = await villa<{ dimension: number; encoder: string }>(
    ...["preprocess", "--data-dir", data, "--encoder", encoder],
  );
  expect(result).toMatchObject({ dimension: 64, encoder: "vit-clip" });
  const stage1 = await villa<{ mappings: { split: string }[] }>(
    ...["stage1", ...settings, "task_name=mapping", "epochs=4", "batch_size=32"],
  );
  expect(stage1.mappings.map(({ split }) => split).sort()).toEqual(["test", "train", "val"]);
});

test("stage2 trains the last two blocks and what follows them, and nothing else", async () => {
  const { history } = await villa<{ history: { loss: number }[] }>(
    ...["stage2", ...settings, "task_name=catalogue", `model.encoder=${encoder}`, "model.trainable=last:2"],
    ...["epochs=3", "batch_size=16", "optimizer.lr=1e-3", "optimizer.weight_decay=0"],
  );
  expect(history.at(-1)!.loss).toBeLessThan(history[0]!.loss);
  const tensorsOf = (path: string) => readSafetensors(readFileSync(path)).tensors;
  const [start, trained] = [tensorsOf(join(encoder, "model.safetensors")), tensorsOf(checkpoint)];
  const moved = [...start.keys()].filter((name) => {
    const now = trained.get(`model.${name}`)?.data;
    return now && start.get(name)!.data.some((value, i) => value !== now[i]);
  });
  expect(moved).toContain("visual_projection.weight");
  expect(new Set(moved.map((name) => /layers\.\d/.exec(name)?.[0]))).toEqual(
    new Set(["layers.1", "layers.2", undefined]),
  );
  expect(moved.filter((name) => /embeddings|pre_layrnorm|^text/.test(name))).toEqual([]);
});

test("evaluate and query work on it", async () => {
  const evaluation = await villa<{ regions: number }>("evaluate", "--data-dir", data, "--checkpoint", checkpoint);
  expect(evaluation.regions).toBeGreaterThan(10);
  const { hits, unknownWords } = await villa<{ hits: { score: number }[]; unknownWords: string[] }>(
    ...["query", "--data-dir", data, "--checkpoint", checkpoint, "--text", question, "--top", "5"],
  );
  expect(hits).toHaveLength(5);
  expect(unknownWords).toEqual([]);
});

test("what is exported gives in transformers.js what query says", async () => {
  await villa("export", "--checkpoint", checkpoint, "--format", "hf", "--out", exported);
  // A picture of the tower's own size: scaling would differ between libraries.
  const picture = at("square.png");
  await sharp(at("photos", pages[0]!.image)).resize(64, 64, { fit: "fill" }).removeAlpha().toColourspace("srgb").png().toFile(picture); // biome-ignore format: one thought
  const asked = ["--checkpoint", checkpoint, "--image", picture, "--text", question, "--regions", "full"];
  const { hits } = await villa<{ hits: { score: number }[] }>("query", ...asked);

  const { AutoProcessor, AutoTokenizer, CLIPVisionModelWithProjection, CLIPTextModelWithProjection } = transformers;
  const [processor, tokenizer] = [
    await AutoProcessor.from_pretrained("catalogue-clip", {}),
    await AutoTokenizer.from_pretrained("catalogue-clip"),
  ];
  const pixels = await processor.image_processor!(await transformers.RawImage.read(picture));
  const words = tokenizer([question], { padding: true, truncation: true });
  for (const [dtype, digits] of [
    ["fp32", 4],
    ["fp16", 2],
    ["int8", 1],
  ] as const) {
    // biome-ignore format: one thought
    const vision = await CLIPVisionModelWithProjection.from_pretrained("catalogue-clip", { dtype });
    const text = await CLIPTextModelWithProjection.from_pretrained("catalogue-clip", { dtype });
    const [{ patch_embeds: patches }, { text_embeds: ofText }] = [await vision(pixels), await text(words)];
    expect(patches.dims).toEqual([1, 64, 64]);
    // The whole picture as one region is the mean of its patches.
    const region = patches.mean(1).data;
    expect(cosineSimilarity(region, ofText.data), dtype).toBeCloseTo(hits[0]!.score, digits);
    await Promise.all([vision.dispose(), text.dispose()]);
  }
  const model = await transformers.AutoModel.from_pretrained("catalogue-clip", { dtype: "fp32" });
  const { logits_per_image: logits, image_embeds: image, text_embeds: ofText } = await model({ ...pixels, ...words });
  expect(logits.data[0]).toBeCloseTo(cosineSimilarity(image.data, ofText.data) / 0.07, 3); // the temperature that it was trained with
  await model.dispose();
});

test("its ONNX models alone serve as an encoder: for preprocess and Stage 1, and for query and annotate as they are", async () => {
  const onnx = at("onnx-alone");
  cpSync(exported, onnx, { recursive: true });
  rmSync(join(onnx, "model.safetensors"));
  const preprocessed = await villa<{ encoder: string }>(
    ...["preprocess", "--data-dir", data, "--encoder", onnx, "--overwrite"],
  );
  expect(preprocessed.encoder).toBe("onnx-clip");
  await villa("stage1", ...settings, "task_name=of-onnx", "epochs=2", "batch_size=32");
  const ask = (checkpoint: string, ...flags: string[]) =>
    villa<{ hits: { imageId: number; score: number }[]; attributes?: string[] }>(
      ...["query", "--data-dir", data, "--checkpoint", checkpoint, "--text", question, "--top", "3", ...flags],
    );
  const ofStage1 = await ask(at("checkpoints/of-onnx"));
  expect(ofStage1.attributes!.toSorted()).toEqual(["mug", "red"]);
  const [trained, asOnnx] = [await ask(checkpoint), await ask(onnx)];
  expect(asOnnx.hits.map(({ imageId }) => imageId)).toEqual(trained.hits.map(({ imageId }) => imageId));
  for (const [i, { score }] of asOnnx.hits.entries()) expect(score).toBeCloseTo(trained.hits[i]!.score, 4);
  for (const model of [at("checkpoints/of-onnx"), onnx, join(onnx, "onnx/vision_model_int8.onnx")]) {
    const lines = at("lines.jsonl");
    const { regions } = await villa<{ regions: number }>(
      ...["annotate", "--data-dir", data, "--checkpoint", model, "--out", lines, "--top", "2"],
    );
    expect(readFileSync(lines, "utf8").trim().split("\n")).toHaveLength(regions);
  }
  const { err } = await tryVilla("stage2", ...settings, "task_name=frozen", `model.encoder=${onnx}`);
  expect(err).toMatch(
    /holds its image encoder as ONNX, which cannot be trained; give a folder with.*model\.safetensors/,
  );
});

test("what cannot be exported so says why", async () => {
  const refused = async (...flags: string[]) => (await tryVilla("export", "--format", "hf", ...flags)).err;
  expect(await refused("--checkpoint", checkpoint, "--out", at("model.onnx"))).toMatch(
    /writes a folder.*without an ending/,
  );
  expect(await refused("--checkpoint", checkpoint, "--out", at("other"), "--onnx", "float64")).toMatch(
    /--onnx takes float32, float16, int8 with commas, or none; not "float64"/,
  );
  const small = ["model.width=2", "model.layers=1,1,1,1", "model.emb_dim=8", "batch_size=16", "epochs=1"];
  await villa("stage2", "experiment=docmnist_stage2_small", ...settings, "task_name=resnet", ...small);
  const resNet = at("checkpoints/resnet/last.safetensors");
  expect(await refused("--checkpoint", resNet, "--out", at("other"))).toMatch(/clip-rn50|has no class in transformers/);
});

const python = findPython("transformers", "torch");
test.skipIf(!python)("Python's AutoModel loads it", () => {
  const script = `
import sys, torch, transformers
model = transformers.AutoModel.from_pretrained(sys.argv[1])
tokens = transformers.AutoTokenizer.from_pretrained(sys.argv[1])([sys.argv[2]], return_tensors="pt")
with torch.no_grad():
    out = model(input_ids=tokens["input_ids"], pixel_values=torch.zeros(1, 3, 64, 64))
print(type(model).__name__, list(out.logits_per_image.shape))
`;
  expect(python!.run(script, exported, question).trim()).toBe("CLIPModel [1, 1]");
});

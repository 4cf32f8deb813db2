import { createHash } from "node:crypto";
import { copyFile, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { loadCheckpoint, saveCheckpoint } from "@villa/core/node";
import {
  type ImageAnnotation,
  isVillaError,
  loadStateDict,
  readSafetensors,
  saveTorch,
  type TensorData,
  writeAnnotations,
  writeSafetensors,
  writeSparseCoo,
} from "@villa/data";
import { openDataset } from "@villa/data/node";
import { vitParameterShapes } from "@villa/encoders";
import { expectAllClose, tensorValues } from "@villa/testing";
import { testBackends } from "@villa/testing/backends";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Stage2Config, type Stage2Settings, stage2Config } from "../src/config.ts";
import { embedSplit } from "../src/index.ts";
import { evaluateCheckpoint, exportModel, openModel, RegionIndex, runStage2 } from "../src/node.ts";

const side = 32;
const colours = ["red", "green", "blue"];
let folder = "";
let dataDir = "";

/** Images whose halves are of one colour each; the last training image has neither regions nor text. */
function annotations(): ImageAnnotation[] {
  return Array.from({ length: 14 }, (_, i) => {
    const own = [colours[i % 3]!, colours[(i * i + 1) % 3]!];
    const isEmpty = i === 9;
    const halves = [
      [0, 0, side / 2, side],
      [side / 2, 0, side, side],
    ] as const;
    return {
      imageId: i,
      imageSize: [side, side],
      imageFilepath: `images/${i}.npz`,
      regionCoord: isEmpty ? [] : halves,
      numRegions: isEmpty ? 0 : 2,
      split: i < 10 ? "train" : i < 12 ? "val" : "test",
      text: isEmpty ? "" : own.map((name) => `the color is ${name}`).join(" . "),
      regToAttr: isEmpty ? [] : own.map((name) => [name]),
      attributes: isEmpty ? [] : [...new Set(own)],
    };
  });
}

function pixels({ regToAttr = [] }: ImageAnnotation): Uint8Array {
  const data = new Uint8Array(3 * side * side);
  regToAttr.forEach(([name], half) => {
    const channel = colours.indexOf(name!) * side * side;
    for (let y = 0; y < side; y++)
      data.fill(255, channel + y * side + (half * side) / 2, channel + y * side + ((half + 1) * side) / 2);
  });
  return data;
}

beforeAll(async () => {
  await testBackends()[0]!.activate();
  folder = await mkdtemp(join(tmpdir(), "villa-stage2-"));
  dataDir = join(folder, "data");
  await mkdir(join(dataDir, "images"), { recursive: true });
  const rows = annotations();
  for (const row of rows) {
    const image = { dtype: "uint8" as const, shape: [3, side, side], data: pixels(row) };
    await writeFile(join(dataDir, row.imageFilepath), writeSparseCoo(image));
  }
  await writeFile(join(dataDir, "annotations.feather"), await writeAnnotations(rows));
  const groups = [{ name: "colour", attributes: colours, templates: ["the color is {}"] }];
  await writeFile(join(dataDir, "attributes.json"), JSON.stringify({ groups }));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const config = (changed: Partial<Stage2Settings> = {}): Stage2Config =>
  stage2Config({
    dataDir,
    checkpointDir: join(folder, "checkpoints"),
    taskName: "run",
    pairs: "oracle",
    batchSize: 3,
    microBatch: 0,
    epochs: 2,
    model: { weights: null, width: 2, layers: [1, 1, 1, 1], embDim: 8 },
    textEncoder: "hashed",
    optimizer: { lr: 1e-3, weightDecay: 0 },
    ...changed,
  });

/** A SigLIP image tower of two small blocks, as Hugging Face folders hold it. */
async function writeVisionTransformer(path: string): Promise<void> {
  const sizes = { naming: "siglip", imageSize: 32, patchSize: 8, width: 16, layers: 2, heads: 2, hidden: 24 } as const;
  const shapes = vitParameterShapes({ ...sizes, embedDim: 16, activation: "gelu_tanh", epsilon: 1e-6 });
  const tensors = [...shapes].map(([name, shape]): [string, TensorData] => [
    name,
    { dtype: "float32", shape: [...shape], data: tensorValues(`stage2:${name}`, shape, 0.3) },
  ]);
  await mkdir(path);
  await writeFile(join(path, "model.safetensors"), writeSafetensors(new Map(tensors)));
  const vision = { num_attention_heads: 2, hidden_act: "gelu_pytorch_tanh" };
  await writeFile(join(path, "config.json"), JSON.stringify({ model_type: "siglip", vision_config: vision }));
}

/** The error's code and sentence. */
async function refusal(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => new Error("nothing was refused"),
    (thrown: unknown) => thrown as Error,
  );
  return `${isVillaError(error) ? error.code : "?"}: ${error.message}`;
}

test("from files to files: checkpoints, metrics, evaluation with examples, exports; images without pairs are counted", async () => {
  const result = await runStage2(config());
  expect(result).toMatchObject({ images: 9, pairs: 27, skippedImages: 1 });
  expect((await readdir(result.directory)).sort()).toEqual(
    ["best.json", "best.safetensors", "last.json", "last.safetensors", "metrics.jsonl"].sort(),
  );
  const log = (await readFile(join(result.directory, "metrics.jsonl"), "utf8")).trim().split("\n");
  expect(log.map((line) => JSON.parse(line))).toMatchObject([
    { kind: "epoch", epoch: 1, step: 3, loss: result.history[0]!.loss },
    { kind: "epoch", epoch: 2, step: 6, learningRate: 1e-3 },
  ]);

  const examples = { regions: 2, images: 1 };
  const evaluation = await evaluateCheckpoint({ dataDir, checkpoint: result.lastCheckpoint, split: "test", examples });
  expect(evaluation).toMatchObject({ images: 2, regions: 4, attributes: colours });
  expect(evaluation.examples!.byAttribute.map(({ regions }) => regions.length)).toEqual([2, 2, 2]);
  expect(evaluation.examples!.byImage).toHaveLength(1);

  const exported = join(folder, "tower.pth");
  await exportModel(result.lastCheckpoint, exported);
  await expect(exportModel(result.lastCheckpoint, join(folder, "encoder.tflite"))).rejects.toThrow(/\.onnx or \.pth/);
  expect([...loadStateDict(await readFile(exported)).keys()]).toContain("visual.layer4.0.conv1.weight");
});

test("a model of crops sees each region cut out, from training over evaluation to ONNX", async () => {
  const cropped = config({
    taskName: "crops",
    model: { ...config().model, cropSide: 24 },
    augment: { shift: 0.1, light: 0.1 },
  });
  const { lastCheckpoint } = await runStage2(cropped);
  expect((await evaluateCheckpoint({ dataDir, checkpoint: lastCheckpoint })).regions).toBe(4);
  const other = { ...config().model, cropSide: 32 };
  expect(await refusal(runStage2({ ...cropped, model: other }))).toMatch(/^Mismatch: .*\(model differs\)/);
  const varied = { flip: true, shift: 0.1, light: 0.1 };
  expect(await refusal(runStage2({ ...cropped, augment: varied }))).toMatch(/^Mismatch: .*\(augment differs\)/);

  const path = join(folder, "crops.onnx");
  expect(await exportModel(lastCheckpoint, path)).toEqual({ imageSize: undefined, cropSide: 24 });
  const dataset = await openDataset(dataDir);
  const [row] = dataset.rows("test");
  const box = [4, 6, 28, 30] as const; // a crop of its own size is the picture's pixels
  const image = await dataset.readImage(row!);
  const { image: encoder } = await openModel(lastCheckpoint);
  const ours = await encoder.encodeRegions([image], [[...row!.regionCoord, box]]);
  const rows = [0, 1, 2].flatMap((channel) =>
    Array.from({ length: 24 }, (_, y) => (channel * side + y + 6) * side + 4),
  );
  const crop = Float32Array.from(
    rows.flatMap((start) => [...image.data.subarray(start, start + 24)]),
    (v) => v / 255,
  );
  const session = await InferenceSession.create(path);
  const { embeddings } = await session.run({
    images: new Tensor("float32", crop, [1, 3, 24, 24]),
    boxes: new Tensor("float32", Float32Array.of(0, 0, 24, 24), [1, 4]),
    image_index: new Tensor("int64", BigInt64Array.of(0n), [1]),
  });
  const own = ours.subarray(16);
  const length = Math.hypot(...own);
  expectAllClose(
    embeddings!.data as Float32Array,
    own.map((value) => value / length),
  );
  // A whole picture is a crop too; the two are scaled by different filters.
  const [asPicture, asRegion] = [
    await encoder.encodeImages([image]),
    await encoder.encodeRegions([image], [[[0, 0, side, side]]]),
  ];
  const cosine = asPicture.reduce((sum, value, i) => sum + value * asRegion[i]!, 0);
  expect(cosine / (Math.hypot(...asPicture) * Math.hypot(...asRegion))).toBeGreaterThan(0.99);
  encoder.dispose();
});

test("a checkpoint is known by its contents, under any name: evaluated, exported, and started from", async () => {
  const { lastCheckpoint } = await runStage2(config());
  const renamed = join(folder, "my-model.safetensors");
  await copyFile(lastCheckpoint, renamed);
  expect(await evaluateCheckpoint({ dataDir, checkpoint: renamed })).toEqual(
    await evaluateCheckpoint({ dataDir, checkpoint: lastCheckpoint }),
  );
  await exportModel(renamed, join(folder, "renamed.pth"));
  const started = config({ taskName: "from-mine", epochs: 1, model: { ...config().model, weights: renamed } });
  const { lastCheckpoint: next } = await runStage2(started);
  const [mine, theirs] = [await loadCheckpoint(renamed), await loadCheckpoint(next)];
  const name = "model.visual.layer4.0.conv1.weight";
  const [before, after] = [mine, theirs].map(({ tensors }) => tensors.get(name)!.data as Float32Array);
  const moved = Math.max(...after!.map((value, i) => Math.abs(value - before![i]!)));
  expect(moved).toBeGreaterThan(0);
  expect(moved).toBeLessThan(0.02); // three steps of Adam at 1e-3 from there, not from random weights
});

test("a checkpoint says which encoder it holds; those of earlier versions still open", async () => {
  const { lastCheckpoint } = await runStage2(config());
  const checkpoint = await loadCheckpoint(lastCheckpoint);
  expect(checkpoint.extra).toMatchObject({
    model: {
      image: { family: "clip-resnet", config: { layers: [1, 1, 1, 1], width: 2, embedDim: 8 } },
      text: { family: "hashed", config: { embedDim: 8, seed: 23 } },
    },
  });
  const earlier = join(folder, "earlier.safetensors");
  const { image } = (checkpoint.extra as unknown as { model: { image: { config: object } } }).model;
  await saveCheckpoint(earlier, {
    ...checkpoint,
    extra: { ...checkpoint.extra, model: { vision: image.config, text: { kind: "hashed", seed: 23 } } },
  });
  expect(await evaluateCheckpoint({ dataDir, checkpoint: earlier })).toEqual(
    await evaluateCheckpoint({ dataDir, checkpoint: lastCheckpoint }),
  );
});

test("finished runs are not trained again, and more epochs go on; the history is that of the whole", async () => {
  const { lastCheckpoint, history } = await runStage2(config());
  const before = await readFile(lastCheckpoint);
  expect((await runStage2(config())).history).toEqual(history);
  expect(await readFile(lastCheckpoint)).toEqual(before);
  const longer = await runStage2(config({ epochs: 3 }));
  expect(longer.history.slice(0, 2)).toEqual(history);
  expect(longer.history.map(({ epoch }) => epoch)).toEqual([1, 2, 3]);
});

test("the checkpoint of another run is refused, naming what differs; resume=never replaces it and nothing else", async () => {
  const { lastCheckpoint, directory } = await runStage2(config({ taskName: "other", epochs: 1 }));
  const before = await readFile(lastCheckpoint);
  const wider = { ...config().model, width: 4 };
  for (const [changed, what] of [
    [{ pairs: "image" }, /^Mismatch: .*another run \(pairs, the region-text pairs differ\).*resume=never/],
    [{ optimizer: { lr: 1e-4, weightDecay: 0 } }, /^Mismatch: .*\(optimizer differs\)/],
    [{ model: wider, epochs: 4 }, /^Mismatch: .*\(model differs\)/],
  ] as const) {
    expect(await refusal(runStage2(config({ taskName: "other", epochs: 1, ...changed })))).toMatch(what);
  }
  const anew = { taskName: "other", epochs: 1, resume: "never" } as const;
  await writeFile(join(directory, "notes.txt"), "mine");
  await refusal(runStage2(config({ ...anew, dataDir: join(folder, "nowhere") })));
  expect(await readFile(lastCheckpoint)).toEqual(before);
  // Stopped in its first epoch: the earlier results are whole, and the new run goes on with resume=auto.
  const files = await readdir(directory);
  const controller = new AbortController();
  const onProgress = () => controller.abort();
  const stopped = runStage2(config({ ...anew, pairs: "image" }), { onProgress, signal: controller.signal });
  expect(await refusal(stopped)).toMatch(/^Aborted/);
  expect(await readFile(lastCheckpoint)).toEqual(before);
  expect(await readdir(directory)).toEqual(files);
  const steps: number[] = [];
  await runStage2(config({ ...anew, pairs: "image", resume: "auto" }), { onProgress: ({ done }) => steps.push(done) });
  expect(steps).toEqual([2, 3]);
  expect(await readFile(lastCheckpoint)).not.toEqual(before);
  expect(await readdir(join(folder, "checkpoints"))).not.toContain("other.new");
  const replaced = await runStage2(config({ ...anew, epochs: 2 }));
  expect(replaced.history.map(({ epoch }) => epoch)).toEqual([1, 2]);
  expect(await readdir(directory)).toEqual(files);
});

test("a checkpoint that holds NaN is refused by name: to go on, to start from, to evaluate and to export", async () => {
  const own = (changed: Partial<Stage2Settings> = {}) => config({ taskName: "damaged", epochs: 1, ...changed });
  const { lastCheckpoint } = await runStage2(own());
  const checkpoint = await loadCheckpoint(lastCheckpoint);
  checkpoint.tensors.get("model.visual.conv2.weight")!.data[5] = Number.NaN;
  await saveCheckpoint(lastCheckpoint, checkpoint);
  const named = /^NotFinite: .*last\.safetensors: The weights hold NaN at element 5 of "model\.visual\.conv2\.weight"/;
  // A finished run too: it is not reported as trained.
  expect(await refusal(runStage2(own()))).toMatch(/Begin anew with resume=never\.$/);
  expect(await refusal(runStage2(own({ epochs: 2 })))).toMatch(named);
  const started = config({ taskName: "from-damaged", model: { ...config().model, weights: lastCheckpoint } });
  expect(await refusal(runStage2(started))).toMatch(named);
  expect(await refusal(evaluateCheckpoint({ dataDir, checkpoint: lastCheckpoint }))).toMatch(named);
  for (const name of ["damaged.onnx", "damaged.pth"]) {
    expect(await refusal(exportModel(lastCheckpoint, join(folder, name)))).toMatch(named);
    expect(await readdir(folder)).not.toContain(name);
  }
});

test("a loss that is not finite names the step and leaves the last good checkpoint", async () => {
  const { lastCheckpoint } = await runStage2(config({ taskName: "diverges", epochs: 1 }));
  const checkpoint = await loadCheckpoint(lastCheckpoint);
  checkpoint.tensors.get("model.visual.conv1.weight")!.data[0] = 3e38;
  await saveCheckpoint(lastCheckpoint, checkpoint);
  const before = await readFile(lastCheckpoint);
  const sentence = await refusal(runStage2(config({ taskName: "diverges", epochs: 2 })));
  expect(sentence).toMatch(/^NotFinite: The loss became .* in step 1 of epoch 2/);
  expect(await readFile(lastCheckpoint)).toEqual(before);
});

test("layers that are not four whole numbers are refused", () => {
  for (const layers of ["1,1,1", "a,1,1,1", [1, 1, 1, 0]]) {
    const wrong = () => stage2Config({ ...config(), model: { ...config().model, layers: layers as string } });
    expect(wrong).toThrow(/model\.layers: .*four whole numbers/);
  }
});

test("a step of one pair is refused", async () => {
  const one = config({ taskName: "one", pairs: "image", batchSize: 1 });
  expect(await refusal(runStage2(one))).toMatch(/^Mismatch: .*at least two region-text pairs/);
});

test("a mapping that is missing or of another dataset is refused", async () => {
  const mapped = config({ taskName: "mapped", pairs: "mapping" });
  expect(await refusal(runStage2(mapped))).toMatch(/^NotFound: .*mapping_train\.feather/);
  const rows = annotations().filter(({ split }) => split === "train");
  const assigned = rows.map((row) => ({
    ...row,
    text: `${row.text} . the color is pink`,
    assignedAttributes: row.regToAttr!,
    assignedText: row.regToAttr!.map(() => ""),
  }));
  await writeFile(join(dataDir, "mapping_train.feather"), await writeAnnotations(assigned));
  expect(await refusal(runStage2(mapped))).toMatch(/^Mismatch: .*does not fit this dataset \(image 0\)/);
});

test("weights that are missing, broken, or of no CLIP are refused", async () => {
  const withWeights = (weights: string) =>
    refusal(runStage2(config({ taskName: "weights", model: { ...config().model, weights }, textEncoder: "auto" })));
  expect(await withWeights(join(folder, "none.pth"))).toMatch(/^NotFound: .*docmnist_stage2_small/);
  const other = join(folder, "other.pth");
  await writeFile(
    other,
    saveTorch(new Map([["weight", { dtype: "float32", shape: [2], data: Float32Array.of(1, 2) }]])),
  );
  expect(await withWeights(other)).toMatch(
    /^Unsupported: .*other\.pth holds no image encoder that is known here \(found tensors weight, …\)/,
  );
  const whole = await readFile(join(folder, "tower.pth"));
  const truncated = join(folder, "truncated.pth");
  await writeFile(truncated, whole.subarray(0, whole.length / 2));
  expect(await withWeights(truncated)).toMatch(/^InvalidFile: /);
});

test("an exported tower is a start for another run", async () => {
  const weights = join(folder, "tower.pth");
  const again = config({ taskName: "again", epochs: 1, model: { ...config().model, weights } });
  expect((await runStage2(again)).history).toHaveLength(1);
  // Evaluated as it is, as CLIP's own weights would be: zero-shot.
  expect(await evaluateCheckpoint({ dataDir, checkpoint: weights })).toMatchObject({ split: "test", regions: 4 });
});

test("a vision transformer from a folder: its last block trained with SigLIP's loss along a cosine, resumed, evaluated", async () => {
  const encoder = join(folder, "siglip");
  await writeVisionTransformer(encoder);
  const changed = {
    taskName: "vit",
    epochs: 3,
    model: { encoder, trainable: "last:1" },
    loss: { name: "sigmoid", temp: 0.1, learnTemp: true },
    optimizer: { lr: 1e-3, weightDecay: 0.1, schedule: "cosine", warmupSteps: 2 },
  } as const;
  const whole = await runStage2(config(changed));
  expect(whole.history.map(({ learningRate }) => Math.round(learningRate * 1e6))).toEqual([1000, 611, 50]);
  const { tensors } = await loadCheckpoint(whole.lastCheckpoint);
  const { tensors: start } = readSafetensors(await readFile(join(encoder, "model.safetensors")));
  const moved = [...start.keys()].filter((name) => {
    const now = tensors.get(`model.${name}`)!.data;
    return start.get(name)!.data.some((value, i) => value !== now[i]);
  });
  expect(moved.length).toBeGreaterThan(5);
  expect(moved.filter((name) => name.includes("layers.0.") || name.includes("embeddings."))).toEqual([]);
  const [scale, bias] = ["logit_scale", "logit_bias"].map((name) => tensors.get(`model.${name}`)!.data[0]);
  expect([scale, bias]).not.toEqual([Math.fround(Math.log(10)), -10]);
  expect(scale).toBeCloseTo(Math.log(10), 1);
  expect(await evaluateCheckpoint({ dataDir, checkpoint: whole.lastCheckpoint })).toMatchObject({ images: 2 });

  // As ONNX it embeds regions as it does here.
  const exported = join(folder, "vit.onnx");
  expect(await exportModel(whole.lastCheckpoint, exported)).toEqual({ imageSize: side });
  const session = await InferenceSession.create(exported);
  const rows = annotations().slice(0, 1);
  const { embeddings } = await session.run({
    images: new Tensor(
      "float32",
      Float32Array.from(pixels(rows[0]!), (byte) => byte / 255),
      [1, 3, side, side],
    ),
    boxes: new Tensor("float32", rows[0]!.regionCoord.flat(), [2, 4]),
    image_index: new Tensor("int64", [0n, 0n], [2]),
  });
  const model = await openModel(whole.lastCheckpoint);
  const picture = { width: side, height: side, channels: 3 as const, data: pixels(rows[0]!) };
  const ours = await embedSplit(model.image, rows, { load: async () => picture });
  model.dispose();
  expectAllClose(embeddings!.data as Float32Array, ours, { rtol: 1e-3, atol: 1e-5 });

  // Stopped in the second epoch and called again, it ends with the same weights.
  const controller = new AbortController();
  const again = config({ ...changed, taskName: "vit-again" });
  let steps = 0;
  const onProgress = () => {
    if (++steps === 4) controller.abort();
  };
  expect(await refusal(runStage2(again, { onProgress, signal: controller.signal }))).toMatch(/^Aborted/);
  const resumed = await loadCheckpoint((await runStage2(again)).lastCheckpoint);
  expect(resumed.tensors).toEqual(tensors);
});

test("an encoder on the hub is downloaded with progress, and a download can be stopped", async () => {
  const source = join(folder, "hub-source");
  await writeVisionTransformer(source);
  const server = createServer(async ({ method, url }, response) => {
    const name = url!.split("/").at(-1)!;
    const bytes = await readFile(join(source, name)).catch(() => undefined);
    if (!bytes) return response.writeHead(404, { "x-error-code": "EntryNotFound" }).end();
    const etag = `"${createHash("sha256").update(bytes).digest("hex")}"`;
    response.writeHead(200, { etag, "content-length": bytes.length, "x-repo-commit": "0123456789abcdef" });
    return response.end(method === "HEAD" ? undefined : bytes);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const kept = { HF_ENDPOINT: process.env.HF_ENDPOINT, HF_HOME: process.env.HF_HOME };
  process.env.HF_ENDPOINT = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  process.env.HF_HOME = join(folder, "hub");
  try {
    const run = config({ taskName: "hub", epochs: 1, model: { encoder: "hf:acme/vit" } });
    const controller = new AbortController();
    const stopped = runStage2(run, { onProgress: () => controller.abort(), signal: controller.signal });
    expect(await refusal(stopped)).toMatch(/^Aborted/);
    const tasks: string[] = [];
    const { lastCheckpoint } = await runStage2(run, { onProgress: ({ task }) => tasks.push(task) });
    expect(tasks[0]).toMatch(/model\.safetensors|config\.json/);
    expect(await evaluateCheckpoint({ dataDir, checkpoint: lastCheckpoint })).toMatchObject({ images: 2 });
    // As it is, without training: known by its name on the hub.
    const examples = await RegionIndex.open(await openDataset(dataDir), "hf:acme/vit", { split: "test" });
    expect(examples.rows).toHaveLength(2);
  } finally {
    for (const [name, value] of Object.entries(kept)) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    server.closeAllConnections();
    server.close();
  }
});

test("settings of Stage 2 that would do nothing or fit nothing are refused", async () => {
  expect(() => config({ optimizer: { warmupSteps: 3 } })).toThrow(/warmup_steps needs optimizer\.schedule=cosine/);
  expect(() => config({ model: { trainable: "last:0" } })).toThrow(/model\.trainable: .*last:N/);
  expect(await refusal(runStage2(config({ textEncoder: "clip" })))).toMatch(
    /^InvalidArgument: text_encoder=clip needs/,
  );
  const nowhere = join(folder, "no-encoder");
  expect(await refusal(runStage2(config({ model: { encoder: nowhere } })))).toMatch(
    /^NotFound: There is no encoder at/,
  );
});

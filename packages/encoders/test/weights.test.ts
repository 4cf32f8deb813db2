import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { plainCpuBackend } from "@villa/core";
import { saveTorch, type TensorData, writeSafetensors } from "@villa/data";
import { expectAllClose, fixturesDirectory } from "@villa/testing";
import { namedStateDict } from "@villa/testing/clip-weights";
import { findPython } from "@villa/testing/python";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkClipStateDict } from "../src/clip/state-dict.ts";
import {
  type ClipConfig,
  type ClipModel,
  groupRegions,
  loadClip,
  visionParameterShapes,
  visionStateDict,
} from "../src/index.ts";
import { hashWeights } from "../src/node/weights.ts";
import { downloadClipWeights, loadClipFile, readWeights } from "../src/node.ts";

const fixtures = fixturesDirectory;
const tiny: ClipConfig = { vision: { layers: [1, 1, 1, 1], width: 2, embedDim: 4, heads: 1, gridSize: 7 } };
const miniText = { contextLength: 77, vocabularySize: 49_408, width: 16, heads: 2, layers: 2, embedDim: 4 };
const python = findPython("torch", "numpy");

let folder: string;
let reference: Map<string, TensorData>;
beforeAll(async () => {
  await plainCpuBackend().activate();
  folder = await mkdtemp(join(tmpdir(), "villa-weights-"));
  reference = await readWeights(join(fixtures, "weights/clip_zip.pth"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function regions(model: ClipModel): Promise<Float32Array> {
  const images = tf.tensor4d(
    Float32Array.from({ length: 84 * 84 * 3 }, (_, i) => (i % 251) / 251),
    [1, 84, 84, 3],
  );
  const rows = model.encodeRegions(
    images,
    groupRegions(
      [
        [
          [0, 0, 28, 28],
          [28, 28, 84, 70],
        ],
      ],
      84,
    ),
  );
  const values = (await rows.data()) as Float32Array;
  tf.dispose([images, rows]);
  return values.slice();
}

async function regionsOf(path: string, inference = false): Promise<Float32Array> {
  const model = await loadClipFile(path, { inference });
  const values = await regions(model);
  model.dispose();
  return values;
}

describe("every container gives the same embeddings", () => {
  test("weights made from their names, OpenAI's archive, zip and legacy state dicts", async () => {
    const model = loadClip(namedStateDict("containers", tiny));
    const expected = await regions(model);
    model.dispose();
    const zip = await regionsOf(join(fixtures, "weights/clip_zip.pth"));
    expectAllClose(zip, expected, { rtol: 2e-2, atol: 2e-3 }); // the files hold halves
    expect(await regionsOf(join(fixtures, "weights/clip_scripted.pt"))).toEqual(zip);
    expect(await regionsOf(join(fixtures, "weights/clip_legacy.pth"))).toEqual(zip);
  });

  test("safetensors, by OpenAI's, OpenCLIP's and wrapped names", async () => {
    const zip = await regionsOf(join(fixtures, "weights/clip_zip.pth"));
    const renamings: Record<string, (name: string) => string> = {
      openai: (name) => name,
      wrapped: (name) => `module.${name}`,
      tower: (name) => name.replace("visual.", ""),
      compiled: (name) => `_orig_mod.${name}`,
      sharded: (name) => name.replace("visual.layer1.", "_fsdp_wrapped_module.visual.layer1._fsdp_wrapped_module."),
      deepspeed: (name) => `_forward_module.module.${name}`,
      own: (name) => `learner.image_encoder.${name.replace("visual.", "")}`,
    };
    for (const [label, rename] of Object.entries(renamings)) {
      const path = join(folder, `${label}.safetensors`);
      const renamed = new Map(
        [...(await readWeights(join(fixtures, "weights/clip_zip.pth")))].map(
          ([name, tensor]) => [rename(name), tensor] as const,
        ),
      );
      renamed.set(rename("visual.bn1.num_batches_tracked"), {
        dtype: "int64",
        shape: [],
        data: BigInt64Array.of(7n),
      });
      await writeFile(path, writeSafetensors(renamed));
      expect(await regionsOf(path), label).toEqual(zip);
    }
  });

  test("OpenCLIP's text names", () => {
    const config = { ...tiny, text: miniText };
    const openai = namedStateDict("containers", config);
    const openclip = new Map(
      [...openai].map(([name, tensor]) => [
        name.startsWith("visual.") || name === "logit_scale" ? name : `text.${name}`,
        tensor,
      ]),
    );
    openclip.set("text.attn_mask", { dtype: "float32", shape: [77, 77], data: new Float32Array(77 * 77) });
    const checked = checkClipStateDict(openclip, { textHeads: 2 });
    expect(checked.config).toEqual(config);
    expect(checked.tensors.get("text_projection")?.data).toEqual(openai.get("text_projection")?.data);
  });

  test("folding before the upload gives the same embeddings and keeps no unfolded weights", async () => {
    const path = join(fixtures, "weights/clip_zip.pth");
    const bytesOf = async (inference: boolean) => {
      const before = tf.memory().numBytes;
      const model = await loadClipFile(path, { inference });
      const loaded = tf.memory().numBytes - before;
      const values = await regions(model);
      const used = tf.memory().numBytes - before;
      const trainable = model.visual.trainableVariables().size;
      model.dispose();
      expect(tf.memory().numBytes).toBe(before);
      return { loaded, used, trainable, values };
    };
    const folded = await bytesOf(true);
    const plain = await bytesOf(false);
    expect(folded.trainable).toBe(0);
    expect(plain.trainable).toBeGreaterThan(0);
    expect(folded.used).toBe(folded.loaded); // a plain tower folds at its first use, and then holds both
    const inBackbone = [...visionParameterShapes(tiny.vision)].filter(([name]) => !name.includes("attnpool"));
    const values = inBackbone.reduce((sum, [, shape]) => sum + shape.reduce((product, side) => product * side, 1), 0);
    expect(plain.used - folded.used).toBe(4 * values); // all of the backbone's weights, unfolded
    expectAllClose(folded.values, plain.values, { rtol: 1e-4, atol: 1e-5 });
  });

  test("what training would save loads again", async () => {
    const model = await loadClipFile(join(fixtures, "weights/clip_zip.pth"));
    const path = join(folder, "saved.pth");
    await writeFile(path, saveTorch(await visionStateDict(model.visual.parameters)));
    const expected = await regions(model);
    model.dispose();
    expect(await regionsOf(path)).toEqual(expected);
  });

  test.skipIf(!python)("a whole model written by PyTorch as TorchScript fp16, zip and legacy", async () => {
    const config = { vision: { ...tiny.vision, embedDim: 4 }, text: miniText };
    const named = namedStateDict("containers", config);
    const shapes = join(folder, "shapes.json");
    await writeFile(shapes, JSON.stringify(Object.fromEntries([...named].map(([name, { shape }]) => [name, shape]))));
    python!.run(await readFile(join(fixtures, "../../golden/weight_containers.py"), "utf8"), folder, shapes);
    const results: Float32Array[] = [];
    for (const name of ["clip_scripted.pt", "clip_zip.pth", "clip_legacy.pth"]) {
      const model = await loadClipFile(join(folder, name), { textHeads: 2, inference: true });
      const text = model.encodeText(["a red circle", "the number is a two"]);
      results.push(Float32Array.from([...(await text.data()), ...(await regions(model))]));
      text.dispose();
      model.dispose();
    }
    expect(results[1]).toEqual(results[0]);
    expect(results[2]).toEqual(results[0]);
    const model = loadClip(named, { textHeads: 2 });
    const text = model.encodeText(["a red circle", "the number is a two"]);
    expectAllClose(results[0]!.subarray(0, 8), await text.data(), { rtol: 2e-2, atol: 5e-3 });
    text.dispose();
    model.dispose();
  });
});

describe("weights that do not fit are refused", () => {
  const changed = (change: (weights: Map<string, TensorData>) => void) => {
    const weights = new Map(reference);
    change(weights);
    return () => loadClip(weights);
  };

  test("missing, unexpected and wrongly shaped tensors are named", () => {
    const load = changed((weights) => {
      weights.delete("visual.layer2.0.conv2.weight");
      weights.delete("visual.attnpool.v_proj.bias");
      weights.set("visual.layer9.extra", { dtype: "float32", shape: [1], data: new Float32Array(1) });
      weights.set("visual.bn2.bias", { dtype: "float32", shape: [3], data: new Float32Array(3) });
    });
    expect(load).toThrow(
      expect.objectContaining({
        code: "Mismatch",
        message: expect.stringMatching(
          /missing \(2\): visual\.layer2\.0\.conv2\.weight, visual\.attnpool\.v_proj\.bias; unexpected \(1\): visual\.layer9\.extra; wrong shape \(1\): visual\.bn2\.bias \[3\] instead of \[1\]/,
        ),
      }),
    );
  });

  test("of weights of another size a few are named", () => {
    const load = changed((weights) => {
      for (const [name, { dtype, shape }] of reference) {
        if (!name.includes(".bn")) continue;
        const wider = shape.map((side) => side + 1);
        const elements = wider.reduce((a, b) => a * b, 1);
        weights.set(name, { dtype, shape: wider, data: new Float32Array(elements) });
      }
    });
    expect(load).toThrow(/wrong shape \(\d{2,}\): (\S+ \[\d+\] instead of \[\d+\], ){4}…\.$/);
  });

  test("a vision transformer and something else altogether", () => {
    const one: TensorData = { dtype: "float32", shape: [1], data: new Float32Array(1) };
    expect(changed((weights) => weights.set("visual.class_embedding", one))).toThrow(/vision transformer/);
    expect(() => loadClip(new Map([["fc.weight", one]]))).toThrow(/not a CLIP ResNet: their names are "fc\.weight"/);
  });

  test("the same tensor under two names", () => {
    const load = changed((weights) => weights.set("module.visual.conv1.weight", weights.get("visual.conv1.weight")!));
    expect(load).toThrow(expect.objectContaining({ code: "Mismatch", message: expect.stringContaining("twice") }));
  });

  test.each([
    ["float32", new Float32Array([Number.NaN])],
    ["float16", Uint16Array.of(0x7e00)],
    ["bfloat16", Uint16Array.of(0x7fc0)],
  ] as const)("NaN in %s", (dtype, data) => {
    const load = changed((weights) => weights.set("visual.bn2.bias", { dtype, shape: [1], data }));
    expect(load).toThrow(
      expect.objectContaining({ code: "NotFinite", message: expect.stringContaining("visual.bn2.bias") }),
    );
  });

  test("truncated archives, naming the file", async () => {
    for (const name of ["clip_scripted.pt", "clip_zip.pth", "clip_legacy.pth"]) {
      const bytes = await readFile(join(fixtures, "weights", name));
      const path = join(folder, `short_${name}`);
      await writeFile(path, bytes.subarray(0, bytes.length * 0.6));
      await expect(loadClipFile(path), name).rejects.toMatchObject({
        code: "InvalidFile",
        message: expect.stringContaining(path),
      });
    }
    const path = join(folder, "short.safetensors");
    const bytes = writeSafetensors(reference);
    await writeFile(path, bytes.subarray(0, bytes.length - 100));
    await expect(loadClipFile(path)).rejects.toMatchObject({ code: "InvalidFile" });
    await expect(loadClipFile(join(folder, "nowhere.pt"))).rejects.toMatchObject({ code: "NotFound" });
  });

  test("text from a vision tower alone", () => {
    const model = loadClip(reference);
    expect(() => model.encodeText(["a"])).toThrow(/image tower/);
    model.dispose();
  });
});

describe("download", () => {
  let server: Server;
  let url: string;
  const contents = Buffer.from("weights".repeat(1000));
  const sha256 = createHash("sha256").update(contents).digest("hex");
  beforeAll(async () => {
    server = createServer((_, response) => response.end(contents));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/RN50.pt`;
  });
  afterAll(() => new Promise((resolve) => server.close(resolve)));

  test("goes into the folder and is checked", async () => {
    const path = await downloadClipWeights({ directory: join(folder, "cache"), urls: [url], sha256 });
    expect(path).toBe(join(folder, "cache", "RN50.pt"));
    expect(await hashWeights(path)).toBe(sha256);
  });

  test("a wrong checksum leaves nothing that could be taken for the weights", async () => {
    const directory = join(folder, "wrong");
    await expect(downloadClipWeights({ directory, urls: [url] })).rejects.toMatchObject({ code: "ChecksumMismatch" });
    expect(existsSync(join(directory, "RN50.pt"))).toBe(false);
  });
});

test("the shapes that the Python script writes are the model's", async () => {
  const shapes = JSON.parse(await readFile(join(fixtures, "container_shapes.json"), "utf8"));
  expect(Object.entries(shapes)).toEqual([...visionParameterShapes(tiny.vision)]);
});

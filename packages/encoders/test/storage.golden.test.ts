import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as tf from "@tensorflow/tfjs-core";
import { type TensorData, writeSafetensors } from "@villa/data";
import { bytes, cosineSimilarity, expectSummary, golden, type Summary } from "@villa/testing";
import { testBackends } from "@villa/testing/backends";
import { clipConfig, type GoldenClipConfig, namedStateDict, nchwToNhwc, nhwcToNchw } from "@villa/testing/clip-weights";
import { stepTraffic } from "@villa/testing/step-traffic";
import { beforeAll, describe, expect, test } from "vitest";
import { memoryWeights } from "../src/files.ts";
import {
  type EncoderFiles,
  groupRegions,
  type ImageEncoder,
  loadClip,
  loadImageEncoder,
  loadTextTower,
  visionParameterShapes,
} from "../src/index.ts";
import { openEncoder } from "../src/node.ts";
import type { TextEncoder } from "../src/text/text-encoder.ts";
import { textCases, textFiles } from "./golden-texts.ts";
import { towerCases, towerFiles, towerImages } from "./golden-towers.ts";

interface ClipCase {
  readonly salt: string;
  readonly config: GoldenClipConfig;
  readonly regions: number[][][];
  readonly features_84: Summary;
  readonly region_embs: Summary[];
  readonly tokens: number[][];
  readonly encode_text: Summary[];
}

const mini = golden().json<ClipCase[]>("clip.json")[0]!;
const miniWeights = namedStateDict(mini.salt, clipConfig(mini.config));
const miniFiles: EncoderFiles = {
  label: "golden",
  weights: memoryWeights(miniWeights),
  json: async () => undefined,
  path: () => undefined,
};

const shapesIn = (weights: ReadonlyMap<string, { readonly shape: readonly number[] }>) =>
  [...weights.values()].map(({ shape }) => shape);

// As docs/gpu.md states them: of the largest value, of 1, and of the root mean square.
const largestError = 2e-3;
const cosineError = 3e-6;
const summaryError = 5e-3;

function expectRows(values: Float32Array | Int32Array | Uint8Array, rows: readonly Summary[]): void {
  const width = values.length / rows.length;
  rows.forEach((row, i) => {
    expectSummary(values.subarray(i * width, (i + 1) * width), row, summaryError, `row ${i}`);
  });
}

const onWebGpu = testBackends().filter(({ name }) => name === "webgpu");

// A software device takes seconds to compile a shader.
describe.each(onWebGpu)("float16 on $name", { timeout: 300_000 }, ({ activate }) => {
  beforeAll(activate);

  /** Bytes on the device, once what was disposed of is given back: which takes a command that is sent. */
  async function bytesOnDevice(): Promise<number> {
    const sum = tf.tidy(() => tf.sum(tf.ones([2048])));
    await sum.data();
    sum.dispose();
    return (tf.memory() as tf.backend_util.MemoryInfo & { numBytesInGPU: number }).numBytesInGPU;
  }

  /** Loads, looks at what the device holds from then on, works, and looks whether anything is left. */
  async function within<T extends { dispose(): void }>(
    load: () => Promise<T>,
    shapesOf: (loaded: T) => Iterable<readonly number[]>,
    work: (loaded: T) => Promise<void>,
  ): Promise<void> {
    const before = { tensors: tf.memory().numTensors, bytes: await bytesOnDevice() };
    const loaded = await load();
    // Vectors, in float32, go to the device when they are first used.
    let halves = 0;
    for (const shape of shapesOf(loaded)) {
      if (shape.length >= 2) halves += 4 * Math.ceil(shape.reduce((product, side) => product * side, 1) / 2);
    }
    expect((await bytesOnDevice()) - before.bytes).toBe(halves);
    await work(loaded);
    loaded.dispose();
    expect({ tensors: tf.memory().numTensors, bytes: await bytesOnDevice() }).toEqual(before);
  }

  test.each(towerCases)("$name", async (each) => {
    const { size, pooled, dense } = each.images[0]!;
    const [kind, summary] = Object.entries(dense)[0]! as ["value" | "last-hidden", Summary];
    // The filter of patches is the one with four axes, and stays as it is.
    const shapes = ({ tower }: ImageEncoder) => shapesIn(tower!.parameters).filter(({ length }) => length < 4);
    const load = () => loadImageEncoder({ files: towerFiles(each), dense: kind, storage: "float16" });
    await within(load, shapes, async ({ tower, options }) => {
      expect(options.storage).toBe("float16");
      const [height, width] = size;
      const input = towerImages(`${each.salt}:${height}x${width}`, 2, height, width);
      const [whole, map] = [tower!.imageEmbeddings(input), tower!.features(input)];
      const values = await whole.data();
      const largest = Math.max(...pooled.map(Math.abs));
      expect(Math.max(...pooled.map((value, i) => Math.abs(value - values[i]!))) / largest).toBeLessThan(largestError);
      expect(1 - cosineSimilarity(values, pooled)).toBeLessThan(cosineError);
      expectSummary(await map.data(), summary, summaryError, `${kind} map`);
      tf.dispose([whole, map, input]);
    });
  });

  test("CLIP's ResNet; nothing is read back inside, and a second pass compiles nothing", async () => {
    const shapes = () => visionParameterShapes(clipConfig(mini.config).vision).values();
    const load = () => loadImageEncoder({ files: miniFiles, storage: "float16" });
    await within(load, shapes, async (encoder) => {
      const count = mini.regions.length;
      const planes = bytes(`${mini.salt}:img84`, count * 3 * 84 * 84);
      const pixels = nchwToNhwc(planes, [count, 3, 84, 84]).map((value) => value / 255);
      const input = tf.tensor4d(pixels, [count, 84, 84, 3]);
      const tower = encoder.tower!;
      const pass = () => {
        const map = tower.features(input);
        return { map, regions: tower.regionEmbeddings(map, groupRegions(mini.regions, 84)) };
      };
      const { map, regions } = pass();
      expectSummary(nhwcToNchw(await map.data(), map.shape), mini.features_84, summaryError, "map");
      await regions.data();
      const traffic = await stepTraffic(tf.engine(), async () => tf.dispose(pass()));
      expect(traffic).toEqual({ reads: [], blockingReads: [], pipelines: 0 });
      tf.dispose([map, regions, input]);

      const pictures = Array.from({ length: count }, (_, i) => ({
        width: 84,
        height: 84,
        channels: 3 as const,
        data: Uint8Array.from(planes.subarray(i * 3 * 84 * 84, (i + 1) * 3 * 84 * 84)),
      }));
      const rows = await encoder.encodeRegions(pictures, mini.regions as never);
      expectRows(rows, mini.region_embs);
    });
  });

  test("CLIP's text transformer", async () => {
    const taken = [...miniWeights].filter(([name]) => name.startsWith("transformer.") || name === "text_projection");
    const shapes = () => shapesIn(new Map(taken));
    const { heads } = clipConfig(mini.config).text;
    const load = async () => loadClip(miniWeights, { textHeads: heads, only: "text", storage: "float16" });
    await within(load, shapes, async ({ text }) => {
      const rows = text.encode(mini.tokens);
      expectRows(await rows.data(), mini.encode_text);
      rows.dispose();
    });
  });

  // One of each architecture.
  const texts = textCases.filter(({ kind }) => ["bert-cls", "clip", "siglip", "openclip"].includes(kind));
  test.each(texts)("text tower $kind", async (each) => {
    const load = async () => (await loadTextTower({ files: textFiles(each), storage: "float16" })) as TextEncoder;
    await within(
      load,
      ({ tower }) => shapesIn(tower.parameters),
      async (tower) => {
        expectRows(await tower.encodeText(each.texts), each.features);
      },
    );
  });
});

describe("float16 is refused in a sentence", () => {
  const native = testBackends().find(({ name }) => name !== "webgpu")!;
  beforeAll(() => native.activate());

  const storage = "float16";
  test.each([
    ["on another backend", () => loadImageEncoder({ files: miniFiles, storage }), `not on ${native.name}; leave storage at float32`], // biome-ignore format: one case a line
    ["of a text tower there", () => loadTextTower({ files: textFiles(textCases[0]!), storage }), `not on ${native.name};`], // biome-ignore format: one case a line
    ["to be trained", () => loadImageEncoder({ files: miniFiles, trainable: true, storage }), "Weights that are trained stay float32; leave storage out, or trainable."], // biome-ignore format: one case a line
    ["without weights", () => loadImageEncoder({ family: "pixels", storage }), 'The image encoder "pixels" has no frozen weights'], // biome-ignore format: one case a line
    ["without files", () => loadImageEncoder({ family: "clip-resnet", storage }), "as float16 without files; leave storage out."], // biome-ignore format: one case a line
    ["of hashed words", () => loadTextTower({ family: "hashed", storage }), 'The text encoder "hashed" has no frozen weights'], // biome-ignore format: one case a line
    ["of CLIP to be trained", async () => loadClip(miniWeights, { storage }), "An image tower that is trained stays float32; float16 needs inference."], // biome-ignore format: one case a line
  ])("%s", async (_, load, sentence) => {
    const before = tf.memory().numTensors;
    await expect(load()).rejects.toThrow(sentence);
    expect(tf.memory().numTensors).toBe(before);
  });

  test("of a checkpoint", async () => {
    const folder = mkdtempSync(join(tmpdir(), "villa-storage-"));
    try {
      const path = join(folder, "best.safetensors");
      const weight: TensorData = { dtype: "float32", shape: [1], data: Float32Array.of(1) };
      writeFileSync(path, writeSafetensors(new Map([["w", weight]]), { "villa.format": "1" }));
      const sentence = `${path} is a checkpoint, whose weights stay float32; leave storage out.`;
      await expect(openEncoder(path, { storage })).rejects.toThrow(sentence);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

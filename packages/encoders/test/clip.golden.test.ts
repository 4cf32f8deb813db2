import * as tf from "@tensorflow/tfjs-core";
import type { TensorData } from "@villa/data";
import { bytes, expectAllClose, expectSummary, golden, type Summary } from "@villa/testing";
import { testBackends } from "@villa/testing/backends";
import { clipConfig, type GoldenClipConfig, namedStateDict, nchwToNhwc, nhwcToNchw } from "@villa/testing/clip-weights";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type ClipModel, groupRegions, loadClip } from "../src/index.ts";

interface ClipCase {
  kind: string;
  salt: string;
  config: GoldenClipConfig;
  encode_image_224: Summary[];
  regions: number[][][];
  features_84_shape: [number, number, number, number];
  features_84: Summary;
  region_embs: Summary[];
  tokens: number[][];
  encode_text: Summary;
}

const cases = golden().json<ClipCase[]>("clip.json");

/** Weights are made once for all backends: RN50's take seconds. */
const stateDicts = new Map<ClipCase, Map<string, TensorData>>();
function weightsOf(golden: ClipCase): Map<string, TensorData> {
  const known = stateDicts.get(golden) ?? namedStateDict(golden.salt, clipConfig(golden.config));
  stateDicts.set(golden, known);
  return known;
}

// The plain cpu backend and software WebGPU would take minutes for RN50.
const fits = (backend: string, { kind }: ClipCase) => kind === "mini" || !["cpu", "webgpu"].includes(backend);

describe.each(testBackends())("on $name", ({ name, activate }) => {
  beforeAll(() => activate());
  describe.each(cases.filter((golden) => fits(name, golden)))("$kind", (golden) => {
    let model: ClipModel;
    beforeAll(() => {
      const config = clipConfig(golden.config);
      model = loadClip(weightsOf(golden), { textHeads: config.text.heads });
      expect(model.config).toEqual(config);
    }, 300_000);
    afterAll(() => model.dispose());

    const images = (size: number, count: number) => {
      const pixels = bytes(`${golden.salt}:img${size}`, count * 3 * size * size);
      const values = nchwToNhwc(pixels, [count, 3, size, size]).map((value) => value / 255);
      return tf.tensor4d(values, [count, size, size, 3]);
    };
    const rowsEqual = async (tensor: tf.Tensor2D, rows: Summary | Summary[]) => {
      const values = await tensor.data();
      if (!Array.isArray(rows)) return expectSummary(values, rows, 1e-3);
      expect(tensor.shape[0]).toBe(rows.length);
      const width = tensor.shape[1];
      rows.forEach((row, i) => {
        expectSummary(values.subarray(i * width, (i + 1) * width), row, 1e-3, `row ${i}`);
      });
    };

    test("whole images", async () => {
      const before = tf.memory().numTensors;
      const input = images(golden.config.image_resolution, 2);
      const embeddings = model.encodeImage(input);
      await rowsEqual(embeddings, golden.encode_image_224);
      tf.dispose([input, embeddings]);
      model.visual.refresh();
      expect(tf.memory().numTensors).toBe(before);
    });

    test("feature map and regions", async () => {
      const count = golden.regions.length;
      const input = images(84, count);
      const features = model.visual.features(input);
      expect(features.shape).toEqual([0, 2, 3, 1].map((axis) => golden.features_84_shape[axis]));
      expectSummary(nhwcToNchw(await features.data(), features.shape), golden.features_84, 1e-3);

      const before = tf.memory().numTensors;
      const embeddings = model.visual.regionEmbeddings(features, groupRegions(golden.regions, 84));
      await rowsEqual(embeddings, golden.region_embs);
      expect(tf.memory().numTensors).toBe(before + 1);
      tf.dispose([input, features, embeddings]);
    });

    test("a frozen model, whose backbone is one graph where the backend runs graphs", async () => {
      const frozen = loadClip(weightsOf(golden), { textHeads: model.config.text!.heads, inference: true });
      const [input, whole] = [images(84, golden.regions.length), images(golden.config.image_resolution, 2)];
      const before = tf.memory().numTensors;
      const features = frozen.visual.features(input);
      const embeddings = frozen.visual.regionEmbeddings(features, groupRegions(golden.regions, 84));
      const wholes = frozen.encodeImage(whole);
      expect(tf.memory().numTensors).toBe(before + 3);
      expect(features.shape).toEqual([0, 2, 3, 1].map((axis) => golden.features_84_shape[axis]));
      expectSummary(nhwcToNchw(await features.data(), features.shape), golden.features_84, 1e-3);
      await rowsEqual(embeddings, golden.region_embs);
      await rowsEqual(wholes, golden.encode_image_224);

      // Against the same tower as single operations, nearer than the reference's tolerance, also at an odd size.
      const odd = tf.randomUniform([1, 75, 117, 3], 0, 1, "float32", 7) as tf.Tensor4D;
      const [graph, single] = [frozen.visual.features(odd), model.visual.features(odd)];
      expect(graph.shape).toEqual(single.shape);
      expectAllClose(await graph.data(), await single.data(), { rtol: 1e-4, atol: 1e-4 });
      frozen.dispose();
      tf.dispose([input, whole, features, embeddings, wholes, odd, graph, single]);
    });

    test("regions in any order", async () => {
      const input = images(84, golden.regions.length);
      const grouped = groupRegions(golden.regions, 84);
      const count = grouped.imageIndex.length;
      const reversed = Array.from({ length: count }, (_, i) => count - 1 - i);
      const embeddings = model.encodeRegions(input, {
        boxes: reversed.flatMap((r) => Array.prototype.slice.call(grouped.boxes, r * 4, r * 4 + 4)),
        imageIndex: reversed.map((r) => grouped.imageIndex[r]!),
        imageWidth: 84,
      });
      await rowsEqual(tf.reverse(embeddings, 0), golden.region_embs);
      tf.dispose([input, embeddings]);
    });

    test("regions of a large map, alone and together", async () => {
      // Alone they have fewer bins than the map has cells, together more: the 1 × 1 convolutions change places.
      const input = tf.randomUniform([1, 240, 240, 3], 0, 1, "float32", 7) as tf.Tensor4D;
      const boxes = [0, 1, 2, 3, 4].map((i) => [20 * i, 30 * i, 20 * i + 70.5, 30 * i + 90]);
      const features = model.visual.features(input);
      const together = model.visual.regionEmbeddings(features, groupRegions([boxes], 240));
      const alone = boxes.map((box) => model.visual.regionEmbeddings(features, groupRegions([[box]], 240)));
      const rows = tf.concat2d(alone, 0);
      const values = await rows.data();
      const scale = Math.max(...values.map(Math.abs));
      expectAllClose(await together.data(), values, { rtol: 0, atol: 5e-4 * scale });
      tf.dispose([input, features, together, alone, rows]);
    });

    test("text", async () => {
      const before = tf.memory().numTensors;
      const embeddings = model.text.encode(golden.tokens);
      await rowsEqual(embeddings, golden.encode_text);
      const padded = model.text.encode(golden.tokens.map((ids) => [...ids, ...new Array(77 - ids.length).fill(0)]));
      expectAllClose(await padded.data(), await embeddings.data());
      tf.dispose([embeddings, padded]);
      expect(tf.memory().numTensors).toBe(before);
    });
  });
});

import { plainCpuBackend } from "@villa/core";
import { namedStateDict } from "@villa/testing/clip-weights";
import { beforeAll, expect, test } from "vitest";
import { memoryWeights } from "../src/files.ts";
import { type ClipConfig, loadImageEncoder, type WeightSource } from "../src/index.ts";

beforeAll(() => plainCpuBackend().activate());

test("a ResNet's image side reads no tensor of the text transformer in the same file", async () => {
  const config: ClipConfig = {
    vision: { layers: [1, 1, 1, 1], width: 2, embedDim: 4, heads: 1, gridSize: 2 },
    text: { contextLength: 8, vocabularySize: 16, width: 4, heads: 1, layers: 1, embedDim: 4 },
  };
  const weights = memoryWeights(namedStateDict("image-alone", config));
  const read: string[] = [];
  const watched: WeightSource = {
    tensors: weights.tensors,
    read(name) {
      read.push(name);
      return weights.read(name);
    },
    all: () => Promise.reject(new Error("All tensors were read.")),
  };
  const image = await loadImageEncoder({
    files: { label: "tiny", weights: watched, json: async () => undefined, path: () => undefined },
  });
  expect(image).toMatchObject({ name: "clip-resnet", dimension: 4 });
  expect(read.length).toBeGreaterThan(0);
  expect(read.filter((name) => !name.startsWith("visual."))).toEqual([]);
  image.dispose();
});

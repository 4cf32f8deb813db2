import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { attributeNames, docMnistVocabulary, formatVocabulary, parseShard, writeFeather } from "@villa/data";
import {
  openDataset,
  readAttributeEmbeddings,
  readEmbeddingManifest,
  readRegionEmbeddings as readOf,
} from "@villa/data/node";
import { attributeEmbeddings, type Encoder } from "@villa/encoders";
import { findPython } from "@villa/testing/python";
import { afterAll, describe, expect, test } from "vitest";
import { preprocessDataset } from "../src/index.ts";
import { makeDataset, sumEncoder } from "./dataset.ts";

const folders: string[] = [];
afterAll(() => Promise.all(folders.map((folder) => rm(folder, { recursive: true, force: true }))));

async function dataset(...args: Parameters<typeof makeDataset>): Promise<string> {
  const folder = await makeDataset(...args);
  folders.push(folder);
  return folder;
}

const readRegionEmbeddings = async (folder: string, options: Parameters<typeof readOf>[1] = {}) =>
  readOf(await openDataset(folder), options);

/** All result files by name. */
async function results(folder: string): Promise<Record<string, string>> {
  const names = (await readdir(join(folder, "region_embs"), { recursive: true })).map((name) => `region_embs/${name}`);
  const files = [...names.filter((name) => name.includes(".")), "attr_embs.pth"].sort();
  const contents = await Promise.all(files.map((name) => readFile(join(folder, name), "base64")));
  return Object.fromEntries(files.map((name, i) => [name, contents[i]!]));
}

/** Fails from the given call on, as a kill does. */
function failing(encoder: Encoder, afterCalls: number): Encoder {
  let calls = 0;
  return {
    ...encoder,
    async encodeRegions(images, boxes) {
      if (calls++ >= afterCalls) throw new Error("killed");
      return encoder.encodeRegions(images, boxes);
    },
  };
}

describe("a whole run", () => {
  test("writes what the encoder gives, in the order of the annotations", async () => {
    const folder = await dataset(150);
    const encoder = sumEncoder();
    const updates: number[] = [];
    const result = await preprocessDataset({ dataDir: folder, encoder, onProgress: (u) => updates.push(u.done) });
    expect(result).toMatchObject({ images: 150, attributes: 20, dimension: 3, encodedImages: 150, complete: true });
    expect(updates).toEqual([0, 64, 128, 150]);
    expect(Object.keys(await results(folder))).toEqual([
      "attr_embs.pth",
      "region_embs/embs_149.npz",
      "region_embs/manifest.json",
      "region_embs/region_emb_mapping.feather",
    ]);

    const opened = await openDataset(folder);
    const expected: number[] = [];
    for (const row of opened.annotations) {
      expected.push(...(await encoder.encodeRegions([await opened.readImage(row)], [row.regionCoord])));
    }
    const read = await readRegionEmbeddings(folder);
    expect([...read.regions]).toEqual(expected);
    expect([...read.counts]).toEqual(opened.annotations.map((row) => row.regionCoord.length));
    expect(read.imageIds).toEqual(opened.annotations.map((row) => row.imageId));
    expect(read.dimension).toBe(3);

    const val = await readRegionEmbeddings(folder, { split: "val" });
    expect(val.imageIds).toEqual(opened.rows("val").map((row) => row.imageId));

    const attributes = await readAttributeEmbeddings(folder);
    const names = attributeNames(docMnistVocabulary);
    expect(attributes.attributes).toEqual(names);
    const direct = await attributeEmbeddings(encoder, docMnistVocabulary);
    expect([...attributes.values]).toEqual(names.flatMap((name) => [...direct.get(name)!]));
  });

  test("is not repeated, refused for another encoder, replaced on request", async () => {
    const folder = await dataset(10);
    await preprocessDataset({ dataDir: folder, encoder: sumEncoder() });
    const again = sumEncoder();
    expect(await preprocessDataset({ dataDir: folder, encoder: again })).toMatchObject({ encodedImages: 0 });
    expect(again.calls).toBe(0);
    const other = sumEncoder({ scale: 2 });
    await expect(preprocessDataset({ dataDir: folder, encoder: other })).rejects.toMatchObject({
      code: "AlreadyExists",
      message: expect.stringContaining("--overwrite"),
    });
    await preprocessDataset({ dataDir: folder, encoder: other, overwrite: true });
    expect((await readEmbeddingManifest(folder))?.encoder.options).toEqual({ scale: 2 });
  });

  test("in another format leaves no attribute embeddings of the first", async () => {
    const folder = await dataset(4);
    await preprocessDataset({ dataDir: folder, encoder: sumEncoder() });
    const other = { encoder: sumEncoder({ dimension: 5 }), format: "safetensors", overwrite: true } as const;
    await preprocessDataset({ dataDir: folder, ...other });
    expect((await readAttributeEmbeddings(folder)).dimension).toBe(5);
  });

  test("as safetensors reads back the same", async () => {
    const [original, safe] = [await dataset(70), await dataset(70)];
    await preprocessDataset({ dataDir: original, encoder: sumEncoder() });
    await preprocessDataset({ dataDir: safe, encoder: sumEncoder(), format: "safetensors" });
    expect(await readRegionEmbeddings(safe)).toEqual(await readRegionEmbeddings(original));
    expect(await readAttributeEmbeddings(safe)).toEqual(await readAttributeEmbeddings(original));
  });
});

describe("a run in pieces equals one in one go", () => {
  test("after a kill, without computing anything twice", async () => {
    const [whole, resumed] = [await dataset(200), await dataset(200)];
    await preprocessDataset({ dataDir: whole, encoder: sumEncoder() });
    await expect(preprocessDataset({ dataDir: resumed, encoder: failing(sumEncoder(), 2) })).rejects.toThrow("killed");
    await expect(readRegionEmbeddings(resumed)).rejects.toMatchObject({ code: "NotFound" });
    const rest = sumEncoder();
    const result = await preprocessDataset({ dataDir: resumed, encoder: rest });
    expect(result.encodedImages).toBe(200 - 2 * 64);
    expect(rest.calls).toBe(2);
    expect(await results(resumed)).toEqual(await results(whole));
  });

  test("after a kill between the index and the manifest", async () => {
    const [folder, other] = [await dataset(70), await dataset(70)];
    const run = (dataDir: string) => preprocessDataset({ dataDir, encoder: sumEncoder() });
    await run(other);
    await preprocessDataset({ dataDir: folder, encoder: sumEncoder(), shard: { index: 0, count: 1 } });
    const index = "region_embs/region_emb_mapping.feather";
    await writeFile(join(folder, index), await readFile(join(other, index)));
    expect(await run(folder)).toMatchObject({ encodedImages: 0, complete: true });
    expect(await results(folder)).toEqual(await results(other));
  });

  test("of two at the same work, the slower one takes the result of the faster", async () => {
    const [folder, other] = [await dataset(150), await dataset(150)];
    await preprocessDataset({ dataDir: other, encoder: sumEncoder() });
    const encoder = sumEncoder();
    let first: Promise<unknown> | undefined;
    const slow: Encoder = {
      ...encoder,
      async encodeRegions(images, boxes) {
        await first;
        return encoder.encodeRegions(images, boxes);
      },
    };
    const second = preprocessDataset({ dataDir: folder, encoder: slow });
    first = preprocessDataset({ dataDir: folder, encoder });
    expect(await second).toMatchObject({ complete: true, images: 150 });
    expect(await results(folder)).toEqual(await results(other));
    expect(await readdir(join(folder, "region_embs"))).not.toContain("parts");
  });

  test("with another encoder an unfinished run is not continued", async () => {
    const folder = await dataset(200);
    await expect(preprocessDataset({ dataDir: folder, encoder: failing(sumEncoder(), 2) })).rejects.toThrow();
    const other = sumEncoder({ scale: 3 });
    await expect(preprocessDataset({ dataDir: folder, encoder: other })).rejects.toMatchObject({
      code: "AlreadyExists",
    });
  });

  test("in shards, whatever their order", async () => {
    const [whole, sharded] = [await dataset(300), await dataset(300)];
    await preprocessDataset({ dataDir: whole, encoder: sumEncoder() });
    for (const index of [2, 0]) {
      const shard = { index, count: 3 };
      const result = await preprocessDataset({ dataDir: sharded, encoder: sumEncoder(), shard });
      expect(result.complete).toBe(false);
    }
    const merge = { dataDir: sharded, encoder: sumEncoder(), mergeOnly: true };
    await expect(preprocessDataset(merge)).rejects.toMatchObject({
      code: "Mismatch",
      message: expect.stringContaining("Missing: shard 1/3 (2 of 5 parts"),
    });
    await preprocessDataset({ dataDir: sharded, encoder: sumEncoder(), shard: { index: 1, count: 3 } });
    expect(await preprocessDataset(merge)).toMatchObject({ encodedImages: 0, complete: true });
    expect(await results(sharded)).toEqual(await results(whole));
  });

  test("stopped by a signal", async () => {
    const folder = await dataset(200);
    const controller = new AbortController();
    const stopped = preprocessDataset({
      dataDir: folder,
      encoder: sumEncoder(),
      signal: controller.signal,
      onProgress: ({ done }) => done >= 64 && controller.abort(),
    });
    await expect(stopped).rejects.toMatchObject({ code: "Aborted" });
    const rest = await preprocessDataset({ dataDir: folder, encoder: sumEncoder() });
    expect(rest.encodedImages).toBe(200 - 64);
  });

  test("shards are written as i/n", () => {
    expect(parseShard("2/4")).toEqual({ index: 2, count: 4 });
    expect(parseShard("4/4")).toEqual({ index: 0, count: 4 });
    for (const text of ["5/4", "1", "-1/4", "a/b", "1/0", ""]) {
      expect(() => parseShard(text)).toThrow(expect.objectContaining({ code: "InvalidArgument" }));
    }
  });
});

describe("embeddings that are to be replaced stay until all new ones are there", () => {
  const other = () => sumEncoder({ scale: 2, dimension: 4 });

  async function replaced() {
    const [folder, whole] = [await dataset(150), await dataset(150)];
    await preprocessDataset({ dataDir: folder, encoder: sumEncoder() });
    const before = await results(folder);
    await preprocessDataset({ dataDir: whole, encoder: other() });
    return { folder, before, after: await results(whole) };
  }

  test("through a kill, after which the same call goes on, or the old encoder is not disturbed", async () => {
    const { folder, before, after } = await replaced();
    const killed = { dataDir: folder, encoder: failing(other(), 2), overwrite: true };
    await expect(preprocessDataset(killed)).rejects.toThrow("killed");
    expect(await results(folder)).toEqual(before);
    const old = await preprocessDataset({ dataDir: folder, encoder: sumEncoder() });
    expect(old).toMatchObject({ complete: true, encodedImages: 0 });
    const rest = await preprocessDataset({ dataDir: folder, encoder: other() });
    expect(rest).toMatchObject({ complete: true, encodedImages: 150 - 2 * 64 });
    expect(await results(folder)).toEqual(after);
    expect((await readdir(folder)).filter((name) => name.startsWith("region_embs"))).toEqual(["region_embs"]);
  });

  test("when the new encoder fails at its first image, or its texts are wrong", async () => {
    const { folder, before } = await replaced();
    const zero: Encoder = { ...other(), encodeText: async (texts) => new Float32Array(texts.length * 4) };
    for (const encoder of [failing(other(), 0), zero]) {
      await expect(preprocessDataset({ dataDir: folder, encoder, overwrite: true })).rejects.toThrow();
      expect(await results(folder)).toEqual(before);
    }
  });

  test("while shards go on with what an interrupted run has begun", async () => {
    const { folder, before, after } = await replaced();
    const killed = { dataDir: folder, encoder: failing(other(), 1), overwrite: true };
    await expect(preprocessDataset(killed)).rejects.toThrow("killed");
    for (const index of [0, 1]) {
      const shard = { index, count: 2 };
      expect(await preprocessDataset({ dataDir: folder, encoder: other(), shard })).toMatchObject({
        complete: false,
      });
    }
    expect(await results(folder)).toEqual(before);
    const merge = { dataDir: folder, encoder: other(), mergeOnly: true };
    expect(await preprocessDataset(merge)).toMatchObject({ encodedImages: 0, complete: true });
    expect(await results(folder)).toEqual(after);
  });

  test("by two processes at once", async () => {
    const { folder, after } = await replaced();
    await expect(
      preprocessDataset({ dataDir: folder, encoder: failing(other(), 0), overwrite: true }),
    ).rejects.toThrow();
    const encoder = other();
    let first: Promise<unknown> | undefined;
    const slow: Encoder = {
      ...encoder,
      async encodeRegions(images, boxes) {
        await first;
        return encoder.encodeRegions(images, boxes);
      },
    };
    const second = preprocessDataset({ dataDir: folder, encoder: slow });
    first = preprocessDataset({ dataDir: folder, encoder });
    expect(await second).toMatchObject({ complete: true, images: 150 });
    expect(await results(folder)).toEqual(after);
    expect((await readdir(folder)).filter((name) => name.startsWith("region_embs"))).toEqual(["region_embs"]);
  });

  test("in a folder of parts that an earlier version has begun", async () => {
    const [folder, whole] = [await dataset(150), await dataset(150)];
    await preprocessDataset({ dataDir: whole, encoder: other() });
    await expect(preprocessDataset({ dataDir: folder, encoder: failing(other(), 2) })).rejects.toThrow("killed");
    // Its job.json was the manifest as a whole.
    await writeFile(
      join(folder, "region_embs/parts/job.json"),
      await readFile(join(whole, "region_embs/manifest.json")),
    );
    expect(await preprocessDataset({ dataDir: folder, encoder: other() })).toMatchObject({ encodedImages: 22 });
    expect(await results(folder)).toEqual(await results(whole));
  });
});

describe("bad input", () => {
  const run = (folder: string, encoder: Encoder = sumEncoder()) => preprocessDataset({ dataDir: folder, encoder });

  test.each([
    ["empty", [5, 5, 5, 20], /Region 0 of image 101, \[5, 5, 5, 20\], is empty/],
    ["inverted", [20, 5, 10, 20], /\[20,\s?5,\s?10,\s?20\]/],
    ["outside", [0, 0, 33, 20], /is outside of its image of 32 × 32/],
    ["negative", [-1, 0, 10, 20], /is outside/],
  ] as const)("a box that is %s", async (_, box, message) => {
    const folder = await dataset(6, (row) => (row.imageId === 101 ? { ...row, regionCoord: [box] } : row));
    await expect(run(folder)).rejects.toMatchObject({ code: "InvalidFile", message: expect.stringMatching(message) });
  });

  test("an image that is missing, damaged or of another size", async () => {
    const missing = await dataset(6, (row) => ({ ...row, imageFilepath: row.imageFilepath.replace("3.png", "9.png") }));
    const encoder = sumEncoder();
    await expect(run(missing, encoder)).rejects.toMatchObject({
      code: "NotFound",
      message: expect.stringContaining("images/9.png"),
    });
    expect(encoder.calls).toBe(0);
    const resized = await dataset(6, (row) =>
      row.imageId === 102 ? { ...row, imageSize: [60, 40], regionCoord: [] } : row,
    );
    await expect(run(resized)).rejects.toMatchObject({ code: "Mismatch", message: expect.stringContaining("2.npz") });
    const damaged = await dataset(6);
    await writeFile(join(damaged, "images/1.png"), (await readFile(join(damaged, "images/1.png"))).subarray(0, 60));
    await expect(run(damaged)).rejects.toMatchObject({
      code: "InvalidFile",
      message: expect.stringContaining("1.png"),
    });
  });

  test("an id that occurs twice", async () => {
    const folder = await dataset(6, (row) => (row.imageId === 105 ? { ...row, imageId: 101 } : row));
    await expect(run(folder)).rejects.toMatchObject({ code: "InvalidFile", message: /image 101 twice/ });
  });

  test("an attribute without template", async () => {
    const vocabulary = { groups: [{ name: "color", attributes: ["red"], templates: [] }] };
    await expect(attributeEmbeddings(sumEncoder(), vocabulary)).rejects.toMatchObject({
      code: "InvalidArgument",
      message: expect.stringContaining('"red"'),
    });
    const folder = await dataset(2);
    await writeFile(join(folder, "attributes.json"), formatVocabulary(vocabulary));
    await expect(run(folder)).rejects.toThrow(/template/);
  });

  test("an encoder that gives NaN, or nothing for a text", async () => {
    const nan: Encoder = {
      ...sumEncoder(),
      encodeRegions: async (_, boxes) => new Float32Array(boxes.flat().length * 3).fill(Number.NaN),
    };
    await expect(run(await dataset(3), nan)).rejects.toMatchObject({ code: "NotFinite", message: /image 101/ });
    const zero: Encoder = { ...sumEncoder(), encodeText: async (texts) => new Float32Array(texts.length * 3) };
    await expect(run(await dataset(3), zero)).rejects.toMatchObject({ code: "NotFinite", message: /"zero"/ });
  });

  test("embeddings of other annotations, and ones that do not fit", async () => {
    const folder = await dataset(8);
    await run(folder);
    const other = await dataset(8, (row) => ({ ...row, text: `${row.text} .` }));
    await writeFile(join(folder, "annotations.feather"), await readFile(join(other, "annotations.feather")));
    await expect(readRegionEmbeddings(folder)).rejects.toMatchObject({ code: "Mismatch" });
    await rm(join(folder, "region_embs/manifest.json")); // as the original leaves it: sizes still fit
    expect((await readRegionEmbeddings(folder)).imageIds).toHaveLength(8);
    const fewer = await dataset(9);
    await writeFile(join(folder, "annotations.feather"), await readFile(join(fewer, "annotations.feather")));
    await expect(readRegionEmbeddings(folder)).rejects.toMatchObject({ code: "Mismatch", message: /image 108/ });
  });

  test("a shard that does not exist, or wants to overwrite", async () => {
    const folder = await dataset(2);
    const base = { dataDir: folder, encoder: sumEncoder() };
    await expect(preprocessDataset({ ...base, shard: { index: 2, count: 2 } })).rejects.toMatchObject({
      code: "InvalidArgument",
    });
    for (const part of [{ shard: { index: 0, count: 2 } }, { mergeOnly: true }]) {
      await expect(preprocessDataset({ ...base, ...part, overwrite: true })).rejects.toMatchObject({
        code: "InvalidArgument",
      });
    }
    await expect(run(join(folder, "nowhere"))).rejects.toMatchObject({ code: "NotFound" });
  });
});

const python = findPython("torch", "numpy");

/** What NumPy and torch say about our files. */
interface PythonView {
  values: number[][][];
  names: string[];
  attributes: number[][];
}

describe.skipIf(!python)("the Python implementation", () => {
  test("reads our files", async () => {
    const folder = await dataset(40);
    await preprocessDataset({ dataDir: folder, encoder: sumEncoder() });
    const script = `
import json, sys, numpy as np, torch
embs = np.load(sys.argv[1] + "/region_embs/embs_39.npz", allow_pickle=True)["arr_0"]
attrs = torch.load(sys.argv[1] + "/attr_embs.pth")
print(json.dumps({
    "shape": embs.shape, "dtype": str(embs.dtype), "vector": str(embs[3].dtype),
    "values": [v.reshape(-1, 3).tolist() for v in embs],
    "names": list(attrs), "attributes": [v.tolist() for v in attrs.values()], "kind": type(attrs["red"]).__name__,
}))`;
    const told = python!.json<PythonView>(script, folder);
    expect(told).toMatchObject({ shape: [40], dtype: "object", vector: "float32", kind: "Tensor" });
    const { regions } = await readRegionEmbeddings(folder);
    expect(told.values.flat(2)).toEqual([...regions]);
    const attributes = await readAttributeEmbeddings(folder);
    expect(told.names).toEqual(attributes.attributes);
    expect(told.attributes.flat()).toEqual([...attributes.values]);
  });

  test("writes files that we read, also where NumPy makes a table of equally long vectors", async () => {
    for (const regions of [1, 2]) {
      const box = [0, 0, 8, 8] as const;
      const folder = await dataset(5, (row) => ({
        ...row,
        regionCoord: new Array(row.imageId === 104 ? regions : 1).fill(box),
        numRegions: row.imageId === 104 ? regions : 1,
      }));
      const script = `
import sys, os, numpy as np, torch
os.mkdir(sys.argv[1] + "/region_embs")
vectors = [np.arange(3 * (int(sys.argv[2]) if i == 4 else 1), dtype=np.float32) + i for i in range(5)]
np.savez_compressed(sys.argv[1] + "/region_embs/embs_4", np.array(vectors, dtype=object))
torch.save({"red": np.ones(3, np.float32), "blue": np.zeros(3, np.float32)}, sys.argv[1] + "/attr_embs.pth")`;
      python!.run(script, folder, String(regions));
      const index = await writeFeather([
        { name: "image_id", type: "int64", values: [100, 101, 102, 103, 104] },
        { name: "file", type: "string", values: new Array(5).fill("embs_4") },
        { name: "file_id", type: "int64", values: [0, 1, 2, 3, 4] },
      ]);
      await writeFile(join(folder, "region_embs/region_emb_mapping.feather"), index);
      const read = await readRegionEmbeddings(folder);
      expect(read.dimension).toBe(3);
      expect([...read.regions.subarray(0, 6)]).toEqual([0, 1, 2, 1, 2, 3]);
      expect((await readAttributeEmbeddings(folder)).attributes).toEqual(["red", "blue"]);
      await expect(preprocessDataset({ dataDir: folder, encoder: sumEncoder() })).rejects.toMatchObject({
        code: "AlreadyExists",
        message: expect.stringContaining("unknown origin"),
      });
    }
  });
});

// Files that would be read as something else than they say, if nobody looked.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { decodeRegionNpz } from "../src/dataset/region-file.ts";
import { Allowance } from "../src/formats/limits.ts";
import { densify } from "../src/formats/torch/sparse.ts";
import {
  encodeRegionNpz,
  type NpyArray,
  readSparseCoo,
  type TensorData,
  writeFeather,
  writeNpz,
  writeSafetensors,
} from "../src/index.ts";
import { readAttributeEmbeddings, readEmbeddingManifest, visitRegionEmbeddings } from "../src/node.ts";
import { temporaryFolder, thrown } from "./temporary.ts";

const folder = temporaryFolder();

describe("a sparse array's fill value", () => {
  const int64 = (shape: number[], ...values: bigint[]): TensorData => ({
    dtype: "int64",
    shape,
    data: BigInt64Array.from(values),
  });
  const sparse = (data: TensorData, fill: NpyArray) =>
    writeNpz({ data, shape: int64([1], 3n), coords: int64([1, 1], 2n), fill_value: fill });
  const whole: TensorData = { dtype: "int16", shape: [1], data: Int16Array.of(7) };
  const half: TensorData = { dtype: "float16", shape: [1], data: Float32Array.of(7) };

  test("is kept", () => {
    const filled = sparse(half, { dtype: "float16", shape: [], data: Float32Array.of(0.5) });
    expect([...readSparseCoo(filled).data]).toEqual([0.5, 0.5, 7]);
  });

  test.each([
    ["a fraction among whole numbers", sparse(whole, { dtype: "float64", shape: [], data: Float64Array.of(0.5) })],
    [
      "a float where halves are kept as bits",
      sparse(half, { dtype: "float32", shape: [], data: Float32Array.of(0.5) }),
    ],
    ["two of them", sparse(whole, { dtype: "int16", shape: [2], data: Int16Array.of(1, 2) })],
  ])("is refused when it is %s", (_, file) => {
    expect(thrown(() => readSparseCoo(file))).toMatchObject({
      code: "InvalidFile",
      message: expect.stringContaining("fill value of that type"),
    });
  });
});

test("values at one place of a sparse tensor are added up as numbers, never as the bits of floats", () => {
  const parts = (values: TensorData) => [
    { dtype: "int64", shape: [1, 2], data: BigInt64Array.of(0n, 0n) },
    values,
    [1],
  ];
  const sum = (values: TensorData) => densify("torch.sparse_coo", parts(values), new Allowance(100));
  expect(sum({ dtype: "float8_e4m3fn", shape: [2], data: Float32Array.of(1, 0.5) })).toMatchObject({
    data: Float32Array.of(1.5),
  });
  for (const dtype of ["float8_e4m3fn", "float8_e5m2", "bfloat16"] as const) {
    const data = dtype === "bfloat16" ? Uint16Array.of(0x3f80, 0x3f00) : Uint8Array.of(0x38, 0x30);
    expect(thrown(() => sum({ dtype, shape: [2], data }))).toMatchObject({ code: "Unsupported" });
  }
});

test("region embeddings without an axis are none", () => {
  expect(decodeRegionNpz(encodeRegionNpz([]))).toEqual([]);
  const scalar = writeNpz({ arr_0: { dtype: "float32", shape: [], data: Float32Array.of(1) } });
  expect(thrown(() => decodeRegionNpz(scalar))).toMatchObject({ code: "InvalidFile" });
});

describe("an index of region embeddings", () => {
  const columns = (ids: unknown[], files: unknown[], positions: unknown[]) => [
    { name: "image_id", type: "int64" as const, values: ids },
    { name: "file", type: "string" as const, values: files },
    { name: "file_id", type: "int64" as const, values: positions },
  ];

  test.each([
    ["an image without a position", columns([1, 2], ["embs_0", "embs_0"], [0, null]), "row 1"],
    ["a row without an image", columns([null], ["embs_0"], [0]), "row 0"],
    ["an image without a file", columns([1], [null], [0]), "row 0"],
    ["an image that is there twice", columns([1, 1], ["embs_0", "embs_0"], [0, 1]), "image 1 twice"],
  ])("with %s is refused", async (name, table, words) => {
    const dataset = join(folder, name);
    mkdirSync(join(dataset, "region_embs"), { recursive: true });
    writeFileSync(join(dataset, "region_embs", "region_emb_mapping.feather"), await writeFeather(table));
    writeFileSync(
      join(dataset, "region_embs", "embs_0.npz"),
      encodeRegionNpz([Float32Array.of(1), Float32Array.of(2, 3)]),
    );
    await expect(visitRegionEmbeddings(dataset, () => undefined)).rejects.toMatchObject({
      code: "InvalidFile",
      message: expect.stringContaining(words),
    });
  });
});

test.each(["{", "1", "null", '["a"]', '["a","a"]', '["a","b","c"]', '["a","constructor"]'])(
  "attribute embeddings whose order is %s are refused",
  async (order) => {
    const vector: TensorData = { dtype: "float32", shape: [1], data: Float32Array.of(1) };
    const tensors = new Map([
      ["b", vector],
      ["a", vector],
    ]);
    const path = join(folder, "attr_embs.safetensors");
    writeFileSync(path, writeSafetensors(tensors, { order }));
    await expect(readAttributeEmbeddings(folder)).rejects.toMatchObject({ code: "InvalidFile" });
    writeFileSync(path, writeSafetensors(tensors, { order: '["b","a"]' }));
    expect((await readAttributeEmbeddings(folder)).attributes).toEqual(["b", "a"]);
  },
);

test.each(["null", "[]", "1", '{"format":1,"encoder":1,"dataset":{}}'])(
  "a manifest that is %s is damaged",
  async (json) => {
    mkdirSync(join(folder, "region_embs"), { recursive: true });
    writeFileSync(join(folder, "region_embs", "manifest.json"), json);
    await expect(readEmbeddingManifest(folder)).rejects.toMatchObject({ code: "InvalidFile" });
  },
);

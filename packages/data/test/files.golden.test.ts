// Files that torch, NumPy and pydata/sparse themselves wrote.
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expectAllClose, golden, unit } from "@villa/testing";
import { describe, expect, test } from "vitest";
import { expectTensor } from "../src/formats/numpy/array.ts";
import { loadStateDict, loadTorch, type ObjectArray, readNpz, readSparseCoo, type TensorData } from "../src/index.ts";

interface FileDescriptions {
  readonly "attr_embs.pth": { readonly keys: readonly string[]; readonly values: string };
  readonly "embs_2.npz": string;
  readonly "0.npz": { readonly dense_sha256: string; readonly nnz: number };
  readonly "mixed.pth": string;
  readonly "state_dict.pth": { readonly keys: readonly string[]; readonly values: string };
}

const { json, path } = golden();
const described = json<FileDescriptions>("files/files.json");
const read = (name: string): Uint8Array => new Uint8Array(readFileSync(path(join("files", name))));

/** "unit('files:reg:i')" → "files:reg:i" */
const unitName = (description: string): string => /unit\('([^']*)'/.exec(description)![1]!;
const float32 = (name: string, length: number): Float32Array => Float32Array.from(unit(name, length));

test("attr_embs.pth: a dict of NumPy vectors", () => {
  const { keys, values } = described["attr_embs.pth"];
  const [, rows, side] = /\[(\d+),\s*(\d+)\]/.exec(values)!.map(Number);
  const all = float32(unitName(values), rows! * side!);
  const embeddings = loadStateDict(read("attr_embs.pth"));
  expect([...embeddings.keys()]).toEqual(keys);
  for (const [i, key] of keys.entries()) {
    const { dtype, shape, data } = embeddings.get(key)!;
    expect({ dtype, shape }).toEqual({ dtype: "float32", shape: [side] });
    expect(data).toEqual(all.subarray(i * side!, (i + 1) * side!));
  }
});

test("embs_2.npz: an object array of vectors", () => {
  const description = described["embs_2.npz"];
  const lengths = /lengths ([\d,]+)/.exec(description)![1]!.split(",").filter(Boolean).map(Number);
  const name = unitName(description);
  const array = readNpz(read("embs_2.npz")).get("arr_0") as ObjectArray;
  expect(array.dtype).toBe("object");
  expect(array.shape).toEqual([lengths.length]);
  for (const [i, length] of lengths.entries()) {
    const vector = expectTensor(array.data[i], `element ${i}`);
    expect(vector.data).toEqual(float32(name.replace(/i$/, String(i)), length));
  }
});

test("0.npz: a sparse image", () => {
  const { dense_sha256, nnz } = described["0.npz"];
  const image = readSparseCoo(read("0.npz"));
  expect(image.dtype).toBe("uint8");
  expect(image.shape).toEqual([3, 84, 84]);
  expect(Array.from(image.data as Uint8Array).filter((value) => value !== 0).length).toBe(nnz);
  expect(createHash("sha256").update(image.data).digest("hex")).toBe(dense_sha256);
});

describe.each(["state_dict.pth", "state_dict_legacy.pth", "scripted_half.pt"])("%s", (file) => {
  test("holds the module's tensors", () => {
    const { keys, values } = described["state_dict.pth"];
    const prefix = unitName(values);
    const tensors = loadStateDict(read(file));
    expect([...tensors.keys()].sort()).toEqual([...keys].sort());
    for (const key of keys) {
      const tensor = tensors.get(key)!;
      if (key.endsWith("num_batches_tracked")) {
        expect(tensor.dtype).toBe("int64");
        continue;
      }
      const half = file === "scripted_half.pt";
      expect(tensor.dtype).toBe(half ? "float16" : "float32");
      expect(tensor.data).toBeInstanceOf(Float32Array);
      const expected = unit(prefix + key, tensor.data.length);
      const tolerance = half ? { rtol: 2 ** -11, atol: 2 ** -24 } : { rtol: 1e-7, atol: 1e-7 };
      expectAllClose(tensor.data as Float32Array, expected, { ...tolerance, label: key });
    }
  });
});

test("mixed.pth: halves, strided views, integers, nesting", () => {
  const value = loadTorch(read("mixed.pth")) as Map<string, unknown>;
  const tensor = (name: string): TensorData => expectTensor(value.get(name), name);
  const [halfName, bf16Name, viewName] = [...described["mixed.pth"].matchAll(/unit\('([^']*)'/g)].map((m) => m[1]!);
  const [rows, columns] = /\[(\d+),\s*(\d+)\]/.exec(described["mixed.pth"])!.slice(1).map(Number) as [number, number];
  const half = tensor("half");
  expect(half.dtype).toBe("float16");
  expectAllClose(half.data as Float32Array, unit(halfName!, half.data.length), { rtol: 2 ** -11, atol: 2 ** -24 });
  const bf16 = tensor("bf16");
  expect(bf16.dtype).toBe("bfloat16");
  expectAllClose(bf16.data as Float32Array, unit(bf16Name!, bf16.data.length), { rtol: 2 ** -8, atol: 0 });
  const base = float32(viewName!, rows * columns);
  const view = tensor("view"); // columns 1 … of the base
  const width = view.shape[1]!;
  expect(view.shape[0]).toBe(rows);
  expect(view.data).toEqual(
    Float32Array.from({ length: rows * width }, (_, i) => base[columns * Math.floor(i / width) + 1 + (i % width)]!),
  );
  const transposed = tensor("T");
  expect(transposed.shape).toEqual([columns, rows]);
  expect(transposed.data).toEqual(
    Float32Array.from({ length: rows * columns }, (_, i) => base[columns * (i % rows) + Math.floor(i / rows)]!),
  );
  expect(tensor("i64").data).toBeInstanceOf(BigInt64Array);
  const nested = value.get("nested") as Map<string, unknown>;
  expect(nested.get("none")).toBeNull();
  expect(typeof nested.get("lr")).toBe("number");
  expect(Array.isArray(nested.get("list"))).toBe(true);
});

test("plain.npz: types and memory orders", () => {
  const arrays = readNpz(read("plain.npz"));
  expect(arrays.size).toBeGreaterThan(0);
  for (const [name, array] of arrays) {
    const { shape, data } = expectTensor(array, name);
    expect(data.length, name).toBe(shape.reduce((product, side) => product * side, 1));
  }
});

test("evil.pth is refused by name and nothing is run", () => {
  const before = existsSync("/tmp/pwned");
  const error = capture(() => loadTorch(read("evil.pth")));
  expect(error).toMatchObject({ code: "UnsafeFile" });
  expect((error as Error).message).toMatch(/refers to \S+\.\S+, which is not on the list .* refused/);
  expect(existsSync("/tmp/pwned")).toBe(before);
});

function capture(act: () => unknown): unknown {
  try {
    act();
  } catch (error) {
    return error;
  }
  return undefined;
}

import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { findPython, unit } from "@villa/testing";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { expectTensor } from "../src/formats/numpy/array.ts";
import { readNpz, readSparseCoo, type TensorData, writeNpz, writeSparseCoo } from "../src/index.ts";
import { tensors } from "./arbitraries.ts";
import { temporaryFolder, thrown } from "./temporary.ts";

const folder = temporaryFolder();
const python = findPython("sparse");

/** Mostly black, like a DocMNIST image. */
const image: TensorData = {
  dtype: "uint8",
  shape: [3, 84, 84],
  data: Uint8Array.from(unit("sparse:image", 3 * 84 * 84), (value) => (value > 0.5 ? Math.floor(255 * value) : 0)),
};

test("any tensor survives, at any level", () => {
  fc.assert(
    fc.property(tensors(), fc.constantFrom(0 as const, 1 as const, 6 as const), (tensor, level) => {
      // A sparse array does not store zeros, so a negative one comes back as a positive one.
      const plain = tensor.data.map((value) => (value === 0 ? 0 : value) as never);
      const back = readSparseCoo(writeSparseCoo(tensor, { level }));
      expect(back).toEqual({ ...tensor, data: plain });
    }),
  );
});

test("halves are widened on reading, or left as bits", () => {
  const half: TensorData = { dtype: "float16", shape: [2, 2], data: Float32Array.of(0, 0.5, 0, -2) };
  const bytes = writeSparseCoo(half);
  expect(readSparseCoo(bytes)).toEqual(half);
  expect(readSparseCoo(bytes, { raw: true }).data).toEqual(Uint16Array.of(0, 0x3800, 0, 0xc000));
});

// One process for both directions: importing sparse takes seconds.
test.skipIf(!python)("pydata/sparse reads what is written here, and writes the same members", () => {
  const stored = (image.data as Uint8Array).filter((value) => value !== 0).length;
  const weighted = Array.from(image.data as Uint8Array).reduce((sum, value, i) => sum + value * i, 0);
  const levels = [0, 1, 6] as const;
  for (const level of levels) writeFileSync(join(folder, `ours${level}.npz`), writeSparseCoo(image, { level }));
  const script = `
import os, sys
import numpy as np, sparse
for level in [0, 1, 6]:
    s = sparse.load_npz(os.path.join(sys.argv[1], f"ours{level}.npz"))
    d = s.todense()
    print(s.dtype, s.shape, s.nnz, int((d.ravel().astype(np.int64) * np.arange(d.size)).sum()))
sparse.save_npz(os.path.join(sys.argv[1], "theirs.npz"), sparse.COO(d))
filled = os.path.join(sys.argv[1], "filled.npz")
np.savez(filled, data=np.array([5, 6], "i2"), shape=np.array([2, 3]), fill_value=np.array(-1, "i2"), coords=np.array([[0, 1], [2, 0]], "u1"))
sparse.load_npz(filled)`;
  const printed = python!.run(script, folder).trim().split("\n");
  expect(printed).toEqual(levels.map(() => `uint8 (3, 84, 84) ${stored} ${weighted}`));

  const theirs = readNpz(new Uint8Array(readFileSync(join(folder, "theirs.npz"))));
  const ours = readNpz(new Uint8Array(readFileSync(join(folder, "ours1.npz"))));
  expect([...ours.keys()]).toEqual(["data", "shape", "fill_value", "coords"]);
  expect(ours).toEqual(theirs);

  // Other fill values and coordinate types.
  expect(readSparseCoo(new Uint8Array(readFileSync(join(folder, "filled.npz"))))).toEqual({
    dtype: "int16",
    shape: [2, 3],
    data: Int16Array.of(-1, -1, 5, 6, -1, -1),
  });
});

describe("damaged and hostile arrays", () => {
  const members = {
    data: { dtype: "uint8", shape: [1], data: Uint8Array.of(1) },
    shape: { dtype: "int64", shape: [2], data: BigInt64Array.of(2n, 3n) },
    fill_value: { dtype: "uint8", shape: [], data: Uint8Array.of(0) },
    coords: { dtype: "int64", shape: [2, 1], data: BigInt64Array.of(1n, 2n) },
  } satisfies Record<string, TensorData>;
  const with_ = (changes: Partial<Record<keyof typeof members | "indptr", TensorData>>) =>
    writeNpz({ ...members, ...changes });
  const int64 = (shape: number[], ...values: bigint[]): TensorData => ({
    dtype: "int64",
    shape,
    data: BigInt64Array.from(values),
  });

  test("the undamaged one is read", () => {
    expect([...expectTensor(readSparseCoo(with_({})), "it").data]).toEqual([0, 0, 0, 0, 0, 1]);
  });

  test.each([
    ["a coordinate outside", with_({ coords: int64([2, 1], 1n, 3n) }), "InvalidFile"],
    ["a negative coordinate", with_({ coords: int64([2, 1], -1n, 0n) }), "InvalidFile"],
    ["a coordinate beyond 32 bits", with_({ coords: int64([2, 1], 2n ** 32n, 0n) }), "InvalidFile"],
    ["too few coordinates", with_({ coords: int64([1, 1], 1n) }), "InvalidFile"],
    ["a negative shape", with_({ shape: int64([2], -2n, 3n) }), "InvalidFile"],
    ["a vast shape", with_({ shape: int64([2], 2n ** 20n, 2n ** 20n) }), "UnsafeFile"],
    [
      "coordinates that are no integers",
      with_({ coords: { ...members.coords, dtype: "float64", data: Float64Array.of(1, 2) } }),
      "InvalidFile",
    ],
    ["a fill value of another kind", with_({ fill_value: int64([], 1n) }), "InvalidFile"],
    ["the GCXS format", with_({ indptr: int64([1], 0n) }), "Unsupported"],
    ["no data", writeNpz({ shape: members.shape, coords: members.coords }), "InvalidFile"],
  ])("%s", (_, bytes, code) => {
    expect(thrown(() => readSparseCoo(bytes))).toMatchObject({ name: "VillaError", code });
  });
});

// The Python of docs/from-python.md, run on files that are written here, with whatever torch, NumPy and pyarrow there are.
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import {
  encodeRegionNpz,
  saveTorch,
  type TensorData,
  writeAnnotations,
  writeSparseCoo,
} from "../../packages/data/src/index.ts";
import { findPython } from "../../tools/testing/python.ts";

const page = readFileSync(join(import.meta.dirname, "../../docs/from-python.md"), "utf8");
const snippets = [...page.matchAll(/`((?:torch|numpy|sparse|pandas|pyarrow)\.[^`]*\("[^`]*)`/g)].map(
  ([, code]) => code!,
);
const folder = mkdtempSync(join(tmpdir(), "villa-from-python-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const vector = (...values: number[]): TensorData => ({
  dtype: "float32",
  shape: [values.length],
  data: Float32Array.from(values),
});

beforeAll(async () => {
  mkdirSync(join(folder, "images"));
  mkdirSync(join(folder, "region_embs"));
  const write = (name: string, bytes: Uint8Array) => writeFileSync(join(folder, name), bytes);
  const annotations = await writeAnnotations([
    {
      imageId: 0,
      imageSize: [2, 2],
      imageFilepath: "images/0.npz",
      regionCoord: [[0, 0, 1, 1]],
      numRegions: 1,
      split: "train",
      text: "a red mug",
      attributes: ["red"],
    },
  ]);
  write("annotations.feather", annotations);
  write("images/0.npz", writeSparseCoo({ dtype: "uint8", shape: [3, 2, 2], data: new Uint8Array(12).fill(7) }));
  write("attr_embs.pth", saveTorch(new Map([["red", vector(1, 2)]]), { archiveName: "attr_embs" }));
  write("last.pkl", saveTorch(new Map([["module.pool.0.0.bias", vector(3)]]), { archiveName: "last" }));
  write("encoder.pth", saveTorch(new Map([["visual.conv1.weight", vector(4)]])));
  write("region_embs/embs_0.npz", encodeRegionNpz([Float32Array.of(1, 2), Float32Array.of(3)]));
});

test("the page has a snippet for each kind of file", () => {
  expect(snippets.length).toBeGreaterThanOrEqual(7);
});

test.for(snippets)("%s", (code, { skip }) => {
  const module = code.split(".")[0]!;
  // pandas reads Feather through pyarrow.
  const python = findPython(module, "numpy", ...(module === "pandas" ? ["pyarrow"] : []));
  if (!python) return skip();
  const imported = code.startsWith("pyarrow.feather") ? "pyarrow.feather" : module;
  const printed = python.run(
    `import os, sys\nos.chdir(sys.argv[1])\nimport ${imported}\nvalue = ${code}\nprint(${module}.__version__, type(value).__name__, len(value))`,
    folder,
  );
  const [, kind, length] = printed.trim().split(" ");
  expect(["dict", "OrderedDict", "ndarray", "DataFrame", "Table"]).toContain(kind);
  expect(Number(length)).toBeGreaterThan(0);
});

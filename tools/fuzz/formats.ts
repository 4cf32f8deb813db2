import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { decodeRegionNpz, decodeRegionSafetensors } from "../../packages/data/src/dataset/region-file.ts";
import { writeZip, zipMember } from "../../packages/data/src/formats/zip/writer.ts";
import {
  type Box,
  decodeImage,
  encodeRegionNpz,
  encodeRegionSafetensors,
  formatVocabulary,
  type ImageAnnotation,
  loadStateDict,
  loadTorch,
  type MappingAnnotation,
  openSafetensors,
  openStateDict,
  parseVocabulary,
  type RangeSource,
  type ReadLimits,
  readAnnotations,
  readFeather,
  readMappings,
  readNpy,
  readNpz,
  readSafetensors,
  readSparseCoo,
  saveTorch,
  type TensorData,
  writeAnnotations,
  writeFeather,
  writeNpy,
  writeNpz,
  writeSafetensors,
  writeSparseCoo,
} from "../../packages/data/src/index.ts";
import { parseDigits, parseIdx } from "../../packages/docmnist/src/index.ts";
import { openTable } from "../../packages/ingest/src/node/table/open-table.ts";
import { fixturesDirectory } from "../testing/golden.ts";
import { inPlaceMutators, type Mutator, movingMutators } from "./mutate-bytes.ts";
import {
  mutateArrow,
  mutateJpeg,
  mutateNpy,
  mutatePickle,
  mutatePng,
  mutateSafetensors,
  mutateText,
  mutateTorchArchive,
  zipMutator,
} from "./mutate-structure.ts";

/** A kind of file, and how it is read. */
export interface FuzzFormat {
  readonly name: string;
  /** Valid files, by name. */
  seeds(): Promise<ReadonlyMap<string, Uint8Array>>;
  /** Everything that there is to read in a file, as the public functions give it. */
  read(bytes: Uint8Array, limits: ReadLimits): unknown;
  /** Mutators that know the format. */
  readonly mutators: readonly Mutator[];
  /** Whether checksums cover all that is read, so that a byte changed in place is an error or makes no difference. */
  readonly checked?: boolean | undefined;
}

const fixtures = (folder: string, pattern: RegExp): Map<string, Uint8Array> =>
  new Map(
    readdirSync(join(fixturesDirectory, folder))
      .filter((name) => pattern.test(name))
      .sort()
      .map((name) => [name, new Uint8Array(readFileSync(join(fixturesDirectory, folder, name)))]),
  );

const utf8 = (value: string): Uint8Array => new TextEncoder().encode(value);
const range = (length: number): number[] => Array.from({ length }, (_, i) => i);

const tensors = new Map<string, TensorData>([
  ["layer.weight", { dtype: "float32", shape: [2, 3], data: Float32Array.of(0, 1, 2, 3, 4, 5) }],
  ["layer.half", { dtype: "float16", shape: [3], data: Float32Array.of(0.5, -1, 2) }],
  ["layer.wide", { dtype: "bfloat16", shape: [2], data: Float32Array.of(0.5, -1) }],
  ["steps", { dtype: "int64", shape: [], data: BigInt64Array.of(7n) }],
  ["mask", { dtype: "bool", shape: [4], data: Uint8Array.of(0, 1, 1, 0) }],
]);
const saveable = new Map([...tensors].filter(([, { dtype }]) => dtype !== "bfloat16"));

const image: TensorData = {
  dtype: "uint8",
  shape: [3, 5, 7],
  data: Uint8Array.from({ length: 105 }, (_, i) => (i % 3 === 0 ? i : 0)),
};
const box: Box = [0, 1, 5, 6];
const annotation = (imageId: number): ImageAnnotation => ({
  imageId,
  imageSize: [28, 56],
  imageFilepath: `images/${imageId}.npz`,
  regionCoord: [box, [1, 2, 3, 4]],
  numRegions: 2,
  split: imageId % 2 === 0 ? "train" : "test",
  text: "the image shows a zero . the color is red",
  digitLabel: ["zero", null],
  regToAttr: [["zero", "red"], []],
  attributes: ["zero", "red"],
});
const mapping = (imageId: number): MappingAnnotation => ({
  ...annotation(imageId),
  assignedAttributes: [["zero"], ["red"]],
  assignedText: ["the image shows a zero", "the color is red"],
});

function idx(shape: readonly number[], data: Uint8Array): Uint8Array {
  const header = new DataView(new ArrayBuffer(4 + 4 * shape.length));
  header.setUint32(0, 0x800 + shape.length);
  for (const [i, side] of shape.entries()) header.setUint32(4 + 4 * i, side);
  return Uint8Array.from([...new Uint8Array(header.buffer), ...data]);
}

const source = (bytes: Uint8Array): RangeSource => ({
  size: bytes.length,
  read: async (start, end) => bytes.slice(start, end),
});

/** Reads a table as `villa ingest` does, through a file. */
function tableFormat(name: string, extension: string, seeds: () => Map<string, Uint8Array>, mutator: Mutator) {
  const path = join(tmpdir(), `villa-fuzz-${process.pid}-${name}${extension}`);
  const columns = new Set(["image", "text", "boxes", "attributes", "int64", "string", "list", "struct", "dictionary"]);
  return {
    name,
    seeds: async () => seeds(),
    mutators: [mutator],
    async read(bytes: Uint8Array) {
      writeFileSync(path, bytes);
      const rows: unknown[] = [];
      for await (const { values, problem } of (await openTable(path, { columns })).records()) {
        rows.push(problem ? problem.message : values);
      }
      return rows;
    },
  } satisfies FuzzFormat;
}

const csv = `image,text,boxes,group
a.png,"a red mug, ""quoted""","[[0,0,10,10]]",1
b.png,"two
lines",,2
`;
const coco = JSON.stringify({
  images: range(3).map((id) => ({ id, file_name: `${id}.png`, width: 40, height: 30 })),
  categories: [
    { id: 1, name: "mug" },
    { id: 2, name: "lamp" },
  ],
  annotations: range(4).map((id) => ({ id, image_id: id % 3, category_id: 1 + (id % 2), bbox: [1, 2, 10, 12] })),
});

/** Every kind of file that a reader here takes. */
export const formats: readonly FuzzFormat[] = [
  {
    name: "npy",
    mutators: [mutateNpy],
    read: readNpy,
    seeds: async () =>
      new Map([
        ...fixtures("readers", /\.npy$/),
        ["float", writeNpy(tensors.get("layer.weight")!)],
        ["half", writeNpy(tensors.get("layer.half")!)],
        ["text", writeNpy({ dtype: "unicode", shape: [2], data: ["ab", "é"] })],
        ["bytes", writeNpy({ dtype: "bytes", shape: [2], data: ["ab", "c"] })],
        ["complex", writeNpy({ dtype: "complex64", shape: [2], data: Float32Array.of(1, 2, 3, 4) })],
        ["objects", writeNpy({ dtype: "object", shape: [3], data: [null, new Map([["a", [1, 2]]]), image] })],
      ]),
  },
  {
    name: "npz",
    mutators: [zipMutator(), zipMutator(mutateNpy)],
    checked: true,
    read: readNpz,
    seeds: async () =>
      new Map([
        ...fixtures("files", /embs_2\.npz$|plain\.npz$/),
        ["stored", writeNpz({ w: tensors.get("layer.weight")!, n: tensors.get("steps")! })],
        ["deflated", writeNpz({ image, text: { dtype: "unicode", shape: [1], data: ["a"] } }, { level: 6 })],
      ]),
  },
  {
    name: "sparse",
    mutators: [zipMutator(), zipMutator(mutateNpy)],
    checked: true,
    read: readSparseCoo,
    seeds: async () =>
      new Map([
        ...fixtures("files", /^0\.npz$/),
        ...fixtures("readers", /scipy/),
        ["image", writeSparseCoo(image)],
        ["half", writeSparseCoo(tensors.get("layer.half")!, { level: 0 })],
        ["whole numbers", writeSparseCoo(tensors.get("steps")!)],
      ]),
  },
  {
    name: "torch",
    mutators: [mutateTorchArchive, zipMutator()],
    checked: true,
    read: (bytes, limits) => [loadTorch(bytes, limits), settled(() => loadStateDict(bytes, limits))],
    seeds: async () =>
      new Map([
        ...fixtures("files", /attr_embs|mixed|state_dict\.pth|scripted/),
        ...[...fixtures("readers", /\.pth$/)].filter(([name]) => !name.includes("legacy")),
        ["own", saveTorch({ state_dict: saveable, epoch: 3, list: [1, 2.5, "x", null, true] })],
      ]),
  },
  {
    name: "torch by range",
    mutators: [mutateTorchArchive],
    async read(bytes, limits) {
      const file = await openStateDict(source(bytes), limits);
      return Promise.all([...file.entries.keys()].map((name) => file.tensor(name)));
    },
    seeds: async () =>
      new Map([...fixtures("readers", /(net|compiled|complex|float8|legacy)\.pth$/), ["own", saveTorch(saveable)]]),
  },
  {
    name: "torch legacy",
    mutators: [mutatePickle],
    read: (bytes, limits) => [loadTorch(bytes, limits), settled(() => loadStateDict(bytes, limits))],
    seeds: async () => new Map([...fixtures("readers", /legacy/), ...fixtures("files", /legacy/)]),
  },
  {
    name: "pickle",
    mutators: [mutatePickle],
    read: (bytes, limits) => loadTorch(writeZip([zipMember("a/data.pkl", bytes)]), limits),
    seeds: async () => fixtures("readers", /\.pkl$/),
  },
  {
    name: "safetensors",
    mutators: [mutateSafetensors],
    async read(bytes, limits) {
      const all = readSafetensors(bytes, limits);
      const file = await openSafetensors(source(bytes), limits);
      return [all, ...(await Promise.all([...file.entries.keys()].map((name) => file.tensor(name))))];
    },
    seeds: async () =>
      new Map([
        ["own", writeSafetensors(tensors, { format: "pt", note: "x" })],
        ["empty", writeSafetensors(new Map())],
      ]),
  },
  {
    name: "feather",
    mutators: [mutateArrow, mutateArrow],
    async read(bytes, limits) {
      const table = await readFeather(bytes, limits);
      // One column after the other, since some of these types are refused.
      return [table.rowCount, table.columnNames.map((name) => settled(() => table.column(name)))];
    },
    seeds: async () =>
      new Map([
        ...fixtures("tables", /\.feather$/),
        ["plain", await writeFeather([{ name: "id", type: "int64", values: range(9) }])],
        [
          "lz4",
          await writeFeather(
            [{ name: "words", type: { list: "string" }, values: range(40).map((i) => ["zero", `${i}`, null]) }],
            { compression: "lz4" },
          ),
        ],
      ]),
  },
  {
    name: "annotations",
    mutators: [mutateArrow, mutateArrow],
    read: async (bytes, limits) => [
      await readAnnotations(bytes, limits),
      await settledLater(readMappings(bytes, limits)),
    ],
    seeds: async () =>
      new Map([
        ["annotations", await writeAnnotations(range(4).map(annotation))],
        ["mapping", await writeAnnotations(range(3).map(mapping), { compression: "lz4" })],
      ]),
  },
  {
    name: "png",
    mutators: [mutatePng, mutatePng],
    checked: true,
    read: decodeImage,
    seeds: async () => fixtures("images", /\.png$/),
  },
  {
    name: "jpeg",
    mutators: [mutateJpeg, mutateJpeg],
    read: decodeImage,
    seeds: async () => fixtures("images", /\.jpg$/),
  },
  {
    name: "image arrays",
    mutators: [zipMutator(mutateNpy)],
    checked: true,
    read: decodeImage,
    seeds: async () => new Map([...fixtures("files", /^0\.npz$/), ["small", writeSparseCoo(image)]]),
  },
  {
    name: "region embeddings",
    mutators: [zipMutator(mutateNpy), mutateSafetensors],
    read: (bytes) => (bytes[0] === 0x50 ? decodeRegionNpz(bytes) : decodeRegionSafetensors(bytes)),
    seeds: async () =>
      new Map([
        ...fixtures("files", /embs_2/),
        ["npz", encodeRegionNpz([Float32Array.of(1, 2, 3, 4), Float32Array.of(5, 6)])],
        ["safetensors", encodeRegionSafetensors([Float32Array.of(1, 2, 3, 4), Float32Array.of(5, 6)], { a: "b" })],
      ]),
  },
  {
    name: "vocabulary",
    mutators: [mutateText, mutateText],
    read: (bytes) => parseVocabulary(new TextDecoder().decode(bytes)),
    seeds: async () => {
      const groups = [
        { name: "color", attributes: ["red", "blue"], templates: ["it is {}"], synonyms: { red: ["scarlet"] } },
        { name: "thing", attributes: ["mug"], templates: ["a {}"] },
      ];
      return new Map([["own", utf8(formatVocabulary({ mentions: "words", groups }))]]);
    },
  },
  {
    name: "idx",
    mutators: [],
    read: (bytes) => [parseIdx(bytes), settled(() => parseDigits(bytes, idx([2], Uint8Array.of(1, 2))))],
    seeds: async () =>
      new Map([
        ["labels", idx([3], Uint8Array.of(1, 2, 3))],
        ["images", idx([2, 28, 28], new Uint8Array(1568).fill(9))],
        ["gzip", new Uint8Array(gzipSync(idx([1], Uint8Array.of(1))))],
      ]),
  },
  tableFormat(
    "csv",
    ".csv",
    () =>
      new Map([
        ["own", utf8(csv)],
        ["semicolons", utf8(csv.replaceAll(",", ";"))],
      ]),
    mutateText,
  ),
  tableFormat(
    "jsonl",
    ".jsonl",
    () =>
      new Map([
        [
          "own",
          utf8(
            range(3)
              .map((i) => `${JSON.stringify({ image: `${i}.png`, text: "x", boxes: [box] })}\n`)
              .join(""),
          ),
        ],
      ]),
    mutateText,
  ),
  tableFormat("coco", ".json", () => new Map([["own", utf8(coco)]]), mutateText),
  tableFormat(
    "parquet",
    ".parquet",
    () => fixtures("tables", /\.parquet$/),
    (bytes, random, other) => random.pick([...inPlaceMutators, ...movingMutators])(bytes, random, other),
  ),
];

/** What `read` gives, or its error, where a second reader may refuse what the first one takes. Other errors are thrown. */
function settled(read: () => unknown): unknown {
  try {
    return read();
  } catch (error) {
    if ((error as Error).name === "VillaError") return (error as Error).message;
    throw error;
  }
}

async function settledLater(reading: Promise<unknown>): Promise<unknown> {
  try {
    return await reading;
  } catch (error) {
    return settled(() => {
      throw error;
    });
  }
}

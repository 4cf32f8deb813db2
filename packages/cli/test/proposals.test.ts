import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDataset } from "@villa/data/node";
import { pictureToPng } from "@villa/ingest/node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { villa } from "./villa.ts";

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "villa-proposals-"));
  const image = { width: 40, height: 20, channels: 3 as const, data: new Uint8Array(3 * 800).fill(90) };
  await writeFile(join(folder, "a.png"), await pictureToPng(image));
  const rows = [{}, { boxes: [[0, 0, 20, 20]] }].map((own) => ({
    image: "a.png",
    text: "a mug",
    attributes: ["mug"],
    ...own,
  }));
  await writeFile(join(folder, "table.jsonl"), rows.map((row) => JSON.stringify(row)).join("\n"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** A model that gives the same values whatever it sees. */
async function model(
  name: string,
  outputs: Record<string, { shape: number[]; values: ArrayLike<number> }>,
  { side = 100, hasMask = false } = {},
): Promise<string> {
  const { OnnxGraph } = await import("../../encoders/src/onnx/graph.ts");
  const graph = new OnnxGraph();
  const images = graph.input("images", "float32", [1, 3, side, side]);
  if (hasMask) graph.input("pixel_mask", "int64", [1, 64, 64]);
  const zero = graph.node("Mul", [graph.node("ReduceMean", [images], { keepdims: 0 }), graph.scalar(0)]);
  for (const [output, { shape, values }] of Object.entries(outputs)) {
    graph.node("Add", [graph.weights(Float32Array.from(values), shape), zero], {}, output);
    graph.output(output, "float32", shape);
  }
  const path = join(folder, `${name}.onnx`);
  await writeFile(path, graph.finish(name));
  return path;
}

// Two boxes that overlap, one of its own, and one that is unlikely; in fractions of the picture.
const found = [
  [
    [0, 0, 20, 20],
    [25, 10, 35, 20],
  ],
];

test.each([
  [
    "DETR",
    {
      logits: { shape: [1, 4, 3], values: [4, 0, 0, 3, 0, 0, 0, 2, 0, 0, 0, 9] },
      pred_boxes: {
        shape: [1, 4, 4],
        values: [0.25, 0.5, 0.5, 1, 0.26, 0.5, 0.5, 1, 0.75, 0.75, 0.25, 0.5, 0.5, 0.5, 1, 1],
      },
    },
  ],
  [
    "boxes and scores",
    {
      boxes: { shape: [4, 4], values: [0, 0, 50, 100, 1, 0, 51, 100, 62.5, 50, 87.5, 100, 0, 0, 100, 100] },
      scores: { shape: [4], values: [0.9, 0.8, 0.7, 0.01] },
    },
  ],
  [
    "YOLO 5",
    {
      output0: {
        shape: [1, 7, 6],
        values: [
          ...[
            25, 50, 50, 100, 0.9, 1, 26, 50, 50, 100, 0.9, 0.8, 75, 75, 25, 50, 0.9, 0.7, 50, 50, 100, 100, 0.02, 0.9,
          ],
          ...Array.from({ length: 18 }, () => 0),
        ],
      },
    },
  ],
  [
    "YOLO 8",
    {
      output0: {
        shape: [1, 5, 7],
        values: [
          ...[25, 26, 75, 50, 0, 0, 0, 50, 50, 75, 50, 0, 0, 0, 50, 50, 25, 100, 0, 0, 0],
          ...[100, 100, 50, 100, 0, 0, 0, 0.9, 0.8, 0.7, 0.01, 0, 0, 0],
        ],
      },
    },
  ],
])("%s: the boxes that remain are regions, and their recall is told", async (name, outputs) => {
  const path = await model(name, outputs);
  const out = join(folder, name.replaceAll(" ", "-"));
  const flags = ["--table", join(folder, "table.jsonl"), "--out", out, "--regions", `proposals:${path}`];
  const { code, err, out: said } = await villa("ingest", ...flags);
  expect(code, err).toBe(0);
  expect(said).toContain("Recall of the proposals: 100.0 % of 1 true box at an overlap of 0.5, 100.0 % at 0.75.");
  const card = await readFile(join(out, "card.html"), "utf8");
  expect(card).toContain('<section id="recall">');
  expect(card.replaceAll(/<[^>]+>/g, " ").replaceAll(/\s+/g, " ")).toContain("0.5 1 100.0 % 0.75 1 100.0 %");
  const { annotations } = await openDataset(out);
  expect([annotations[0]!.regionCoord]).toEqual(found);
});

/** Values of a shape, nearly all of them `rest`. */
function sparse(shape: number[], rest: number, own: Record<number, number>) {
  const values = new Float32Array(shape.reduce((product, side) => product * side, 1)).fill(rest);
  for (const [at, value] of Object.entries(own)) values[Number(at)] = value;
  return { shape, values };
}

/** Two boxes of a picture of 640 × 640, and the second one again where it hardly moves: centre and size, score, class. */
const objects = [
  { at: 5, cxcywh: [160, 320, 320, 640], score: 0.9, of: 0 },
  { at: 61, cxcywh: [480, 480, 160, 320], score: 0.8, of: 79 },
  { at: 80, cxcywh: [482, 480, 160, 320], score: 0.7, of: 3 },
] as const;
const corner = ([x, y, w, h]: readonly number[]) => [x! - w! / 2, y! - h! / 2, x! + w! / 2, y! + h! / 2];
const entries = (place: (each: (typeof objects)[number]) => [number, number][]) =>
  Object.fromEntries(objects.flatMap((each) => place(each)));

test.each([
  [
    "DETR of Transformers, 100 queries of 91 classes, with its pixel_mask",
    {
      // The 92nd class is none, which all other queries are sure of.
      logits: sparse([1, 100, 92], 0, {
        ...Object.fromEntries(Array.from({ length: 100 }, (_, i) => [92 * i + 91, 12])),
        ...entries(({ at, score, of }) => [
          [92 * at + 91, 0],
          [92 * at + of, 10 + score],
        ]),
      }),
      pred_boxes: sparse(
        [1, 100, 4],
        0.5,
        entries(({ at, cxcywh }) => cxcywh.map((value, k) => [4 * at + k, value / 640])),
      ),
    },
    true,
  ],
  [
    "YOLO 8, 1 × 84 × 8400",
    {
      output0: sparse(
        [1, 84, 8400],
        0.001,
        entries(({ at, cxcywh, score, of }) => [
          ...cxcywh.map((value, k): [number, number] => [8400 * k + at, value]),
          [8400 * (4 + of) + at, score],
        ]),
      ),
    },
    false,
  ],
  [
    "YOLO 5, 1 × 25200 × 85",
    {
      output0: sparse(
        [1, 25200, 85],
        0.01,
        entries(({ at, cxcywh, score, of }) => [
          ...cxcywh.map((value, k): [number, number] => [85 * at + k, value]),
          [85 * at + 4, 0.99],
          [85 * at + 5 + of, score],
        ]),
      ),
    },
    false,
  ],
  [
    "YOLO with its selection inside, 1 × 300 × 6",
    {
      output0: sparse(
        [1, 300, 6],
        0,
        entries(({ at, cxcywh, score, of }) =>
          [...corner(cxcywh), score, of].map((value, k): [number, number] => [6 * at + k, value]),
        ),
      ),
    },
    false,
  ],
  [
    "boxes and scores of 80 classes, 1 × 300",
    {
      boxes: sparse(
        [1, 300, 4],
        0,
        entries(({ at, cxcywh }) => corner(cxcywh).map((value, k): [number, number] => [4 * at + k, value])),
      ),
      scores: sparse(
        [1, 300, 80],
        0.001,
        entries(({ at, score, of }) => [[80 * at + of, score]]),
      ),
    },
    false,
  ],
])("of the shapes that are exported: %s", async (name, outputs, hasMask) => {
  const path = await model(name.replaceAll(/\W+/g, "-"), outputs, { side: 640, hasMask });
  const out = join(folder, `real ${name.replaceAll(/\W+/g, "-")}`);
  const flags = ["--table", join(folder, "table.jsonl"), "--out", out, "--regions", `proposals:${path}`];
  const { code, err } = await villa("ingest", ...flags);
  expect(code, err).toBe(0);
  const { annotations } = await openDataset(out);
  expect([annotations[0]!.regionCoord]).toEqual(found);
});

test("other outputs are refused with what they are", async () => {
  const path = await model("other", { heatmap: { shape: [1, 2, 3, 4], values: Array.from({ length: 24 }, () => 0) } });
  const flags = [
    "--table",
    join(folder, "table.jsonl"),
    "--out",
    join(folder, "none"),
    "--regions",
    `proposals:${path}`,
  ];
  const { code, err } = await villa("ingest", ...flags);
  expect(code).toBe(1);
  expect(err).toContain("gives heatmap [1, 2, 3, 4]; known are logits and pred_boxes (DETR)");
});

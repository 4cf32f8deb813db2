// The catalogue from raw table to retrieval, by the commands of README.md.
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDataset } from "@villa/data/node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type CataloguePage, makeCatalogue } from "../src/catalogue.ts";
import { writeTables } from "../src/tables.ts";
import { tryVilla, villa } from "./villa.ts";

const folder = mkdtempSync(join(tmpdir(), "villa-catalogue-"));
const data = join(folder, "data");
const checkpoint = join(folder, "checkpoints/products/last.safetensors");
let pages: CataloguePage[] = [];
let tables: Record<string, string> = {};

const ingest = (format: string, out: string, ...flags: string[]) => [
  ...["ingest", "--images", join(folder, "photos"), "--table", tables[format]!, "--out", out],
  ...["--attributes", join(folder, "attributes.json"), "--group-by", "shop", ...flags],
];

beforeAll(async () => {
  pages = await makeCatalogue(folder, 200);
  tables = await writeTables(folder, pages);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("ingest: what the texts say, without what they deny, is what the pictures show", async () => {
  const result = await villa<{ images: number; neverSeen: string[] }>(...ingest("jsonl", data));
  expect(result).toMatchObject({ images: 200, neverSeen: [], skippedRows: 0 });
  const { annotations, splits } = await openDataset(data);
  expect([...splits].sort()).toEqual(["test", "train", "val"]);
  for (const { attributes, regToAttr } of annotations) {
    expect(new Set(attributes)).toEqual(new Set(regToAttr!.flat()));
  }
});

test("every format of the table gives the same dataset", async () => {
  const { annotations } = await openDataset(data);
  for (const format of ["csv", "parquet", "coco"]) {
    const out = join(folder, format);
    await villa(...ingest(format, out, ...(format === "coco" ? ["--limit", "200"] : [])));
    expect((await openDataset(out)).annotations).toEqual(annotations);
  }
});

test("file names and descriptions alone: a grid of regions, and frequent phrases for attributes", async () => {
  const out = join(folder, "bare");
  const flags = ["--columns", "image=file,text=description", "--regions", "grid:3x2", "--mine", "12"];
  const result = await villa<{ regions: number; attributes: { name: string }[] }>(
    ...["ingest", "--images", join(folder, "photos"), "--table", tables.bare!, "--out", out, ...flags],
  );
  expect(result.regions).toBe(200 * 6);
  expect(result.attributes.map(({ name }) => name)).toEqual(
    expect.arrayContaining(["bottle", "lamp", "green", "striped"]),
  );
  const { annotations } = await openDataset(out);
  expect(annotations[0]!.regToAttr).toBeUndefined();
});

test("the data card shows counts, complexity, attributes and pictures, and loads nothing", () => {
  const card = readFileSync(join(data, "card.html"), "utf8");
  for (const id of ["counts", "attributes", "examples", "going-on"]) expect(card).toContain(`<section id="${id}">`);
  expect(card.match(/<img src="data:image\/png;base64,/g)).toHaveLength(6);
  expect(card).not.toMatch(/<script|<link|src="http|NaN|undefined/);
});

test("preprocess, stage1, stage2 and evaluate work on it unchanged, and learn", { timeout: 240_000 }, async () => {
  await villa("preprocess", "--data-dir", data, "--encoder", "pixels", "--dimension", "128");
  const settings = [`data_dir=${data}`, `checkpoint_dir=${join(folder, "checkpoints")}`];
  const stage1 = await villa<{ mappings: { split: string; report: { f1: number } }[] }>(
    ...["stage1", ...settings, "task_name=mapping", "epochs=20", "batch_size=32"],
  );
  expect(stage1.mappings.find(({ split }) => split === "test")!.report.f1).toBeGreaterThan(0.75);
  await villa(
    ...["stage2", "experiment=docmnist_stage2_small", ...settings, "task_name=products"],
    ...["epochs=8", "batch_size=16", "early_stop.patience=8"],
  );
  const evaluation = await villa<{ textToRegion: { rPrecision: number } }>(
    ...["evaluate", "--data-dir", data, "--checkpoint", checkpoint],
  );
  expect(evaluation.textToRegion.rPrecision).toBeGreaterThan(0.35);
});

test("query ranks regions that show what was asked for, and draws them", async () => {
  const out = join(folder, "hits.html");
  const question = ["--checkpoint", checkpoint, "--text", "red", "--top", "5"];
  const { hits } = await villa<{ hits: { imageId: number; source: string; box: number[]; score: number }[] }>(
    ...["query", "--data-dir", data, ...question, "--out", out],
  );
  expect(hits.map(({ score }) => score)).toEqual(hits.map(({ score }) => score).sort((a, b) => b - a));
  const right = hits.filter(({ imageId, source, box }) => {
    expect(source).toBe(pages[imageId]!.image);
    const region = pages[imageId]!.boxes.findIndex((own) => `${own}` === `${box}`);
    return pages[imageId]!.region_attributes[region]!.includes("red");
  });
  expect(right.length).toBeGreaterThanOrEqual(4);
  const pictures = new Set(hits.map(({ imageId }) => imageId)).size;
  expect(readFileSync(out, "utf8").match(/href="data:image\/png/g)).toHaveLength(pictures);
  await villa("query", "--data-dir", data, ...question, "--per-image", "--out", join(folder, "hits.png"));
  expect(existsSync(join(folder, "hits.png"))).toBe(true);
});

test("query within a picture, by a picture, and without a question", async () => {
  const image = join(folder, "photos", pages[0]!.image);
  const out = join(folder, "within.html");
  const within = await villa<{ hits: { source: string }[] }>(
    ...["query", "--checkpoint", checkpoint, "--image", image, "--text", "red", "--regions", "grid:2x2", "--out", out],
  );
  const page = readFileSync(out, "utf8");
  expect([page.match(/href="data:image\/png/g)?.length, page.match(/<rect class="edge"/g)?.length]).toEqual([1, 4]);
  expect(within.hits).toHaveLength(4);
  expect(within.hits[0]!.source).toBe(image);
  const like = await villa<{ hits: unknown[] }>(
    ...["query", "--checkpoint", checkpoint, "--image", image, "--data-dir", data, "--split", "test", "--top", "3"],
  );
  expect(like.hits).toHaveLength(3);
  const odd = await villa<{ unknownWords: string[] }>(
    ...["query", "--checkpoint", checkpoint, "--data-dir", data, "--text", "a Red unicorn", "--top", "1"],
  );
  expect(odd.unknownWords).toEqual(["unicorn"]);
  const bad = async (...flags: string[]) =>
    (await tryVilla("query", "--checkpoint", checkpoint, "--data-dir", data, ...flags)).err;
  expect(await bad()).toMatch(/Give --text, --image or both/);
  expect(await bad("--text", " . ")).toMatch(/--text has no word/);
  expect(await bad("--text", "red", "--out", "hits.jpg")).toMatch(/--out takes FILE.png or FILE.html/);
  expect(await bad("--image", "nowhere.png")).toMatch(/nowhere.png cannot be read: there is no such file/);
});

test("annotate writes a line for each region", async () => {
  const out = join(folder, "regions.jsonl");
  const result = await villa<{ regions: number }>(
    ...["annotate", "--data-dir", data, "--checkpoint", checkpoint, "--out", out, "--top", "2"],
  );
  const lines = readFileSync(out, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(lines).toHaveLength(result.regions);
  expect(lines[0]).toMatchObject({ image_id: 0, source: pages[0]!.image, region: 0, box: pages[0]!.boxes[0] });
  expect(lines[0].attributes).toHaveLength(2);
  const table = join(folder, "regions.csv");
  await villa(...["annotate", "--data-dir", data, "--checkpoint", checkpoint, "--out", table, "--top", "2"]);
  const [head, ...rows] = readFileSync(table, "utf8").trim().split("\n");
  expect(head).toBe("image_id,source,split,region,x0,y0,x1,y1,attribute,score");
  expect(rows).toHaveLength(2 * result.regions);
  const { name, score } = lines[0].attributes[0];
  expect(rows[0]).toBe(`0,${pages[0]!.image},${lines[0].split},0,${pages[0]!.boxes[0]},${name},${score}`);
});

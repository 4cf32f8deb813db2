// query and annotate, as their callers meet them: on a small dataset, with models of a moment's training.
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { useNodeBackend } from "@villa/backend-node";
import { encodePng, readNpy } from "@villa/data";
import { openDataset, readFileBytes } from "@villa/data/node";
import { glyphDigits } from "@villa/docmnist";
import { writeDataset } from "@villa/docmnist/node";
import { parseHTML } from "linkedom";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { onnxInterface } from "../src/export-model.ts";
import { annotate, query } from "../src/index.ts";
import { villa } from "./villa.ts";

let folder = "";
let dataDir = "";
/** Of Stage 2. */
let checkpoint = "";
/** The folder of a run of Stage 1. */
let mapping = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "villa-retrieval-"));
  const written = await writeDataset({
    digits: { train: glyphDigits(1, 200), test: glyphDigits(2, 100) },
    seed: 3,
    out: folder,
    attributeBudget: 300,
    valAttributeBudget: 40,
    testAttributeBudget: 160,
    targetSampleComplexity: 8,
  });
  dataDir = written.directory;
  const settings = [`data_dir=${dataDir}`, `checkpoint_dir=${join(folder, "checkpoints")}`, "--json"];
  const stage2 = await villa(
    ...["stage2", ...settings, "task_name=model", "pairs=oracle", "batch_size=4", "epochs=1", "model.width=2"],
    ...["model.layers=1,1,1,1", "model.emb_dim=16", "model.weights=null", "text_encoder=hashed"],
  );
  expect(stage2.code, stage2.err).toBe(0);
  checkpoint = JSON.parse(stage2.out).lastCheckpoint;
  const embedded = await villa("preprocess", "--data-dir", dataDir, "--encoder", "pixels", "--dimension", "128");
  expect(embedded.code, embedded.err).toBe(0);
  const stage1 = await villa("stage1", ...settings, "task_name=mapping", "epochs=3", "batch_size=8");
  expect(stage1.code, stage1.err).toBe(0);
  mapping = JSON.parse(stage1.out).directory;
}, 180_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

test("where the dataset can only be read, its index is kept in the cache, and found there again", async () => {
  const cache = await mkdtemp(join(folder, "cache-"));
  vi.stubEnv("VILLA_CACHE", cache);
  const blocked = join(dataDir, "region_index"); // a file there stands for a disk that cannot be written
  await writeFile(blocked, "");
  try {
    const ask = ["query", "--data-dir", dataDir, "--checkpoint", checkpoint, "--text", "a red seven", "--json"];
    const first = await villa(...ask);
    expect(first.code, first.err).toBe(0);
    expect(JSON.parse(first.out).hits).toHaveLength(10);
    expect(readFileSync(blocked, "utf8")).toBe("");
    const [index] = readdirSync(join(cache, "region_index"));
    expect(readdirSync(join(cache, "region_index", index!)).length).toBeGreaterThan(0);
    const again = await villa(...ask);
    expect(again.out).toBe(first.out);
    expect(again.err).not.toContain("embedding regions");
  } finally {
    vi.unstubAllEnvs();
    await rm(blocked);
  }
});

test("stage1 says how large its run is", async () => {
  const settings = [`data_dir=${dataDir}`, `checkpoint_dir=${join(folder, "checkpoints")}`, "task_name=mapping"];
  const { out } = await villa("map", ...settings, "epsilon=0.3");
  expect(out.split("\n").at(-1)).toMatch(/^[\d.]+ MB in all$/);
});

test.skipIf(!existsSync("/sys/kernel")).each(["stage1", "map"])(
  "%s looks whether it can write its mappings before it does anything else",
  async (command) => {
    const { code, err } = await villa(command, "data_dir=/sys/kernel");
    expect(err).toMatch(/^villa: Cannot write \/sys\/kernel: /);
    expect(code).toBe(1);
  },
);

test("query and annotate take a model of Stage 1: its run's folder, or its file under any name", async () => {
  const renamed = join(folder, "renamed.bin");
  await copyFile(join(mapping, "last.pkl"), renamed);
  const ask = async (model: string) => {
    const { code, out, err } = await villa(
      ...["query", "--data-dir", dataDir, "--split", "train", "--text", "a red seven, but no circle"],
      ...["--checkpoint", model, "--top", "20", "--json"],
    );
    expect(code, err).toBe(0);
    return JSON.parse(out) as { hits: { imageId: number; box: number[]; score: number }[]; attributes: string[] };
  };
  const byFolder = await ask(mapping);
  expect(byFolder.attributes.toSorted()).toEqual(["red", "seven"]);
  expect(await ask(renamed)).toEqual(byFolder);
  const { hits } = byFolder;
  expect(hits.map(({ score }) => score)).toEqual(hits.map(({ score }) => score).sort((a, b) => b - a));

  const out = join(folder, "stage1.jsonl");
  const wrote = await villa(
    ...[
      "annotate",
      "--data-dir",
      dataDir,
      "--split",
      "train",
      "--checkpoint",
      mapping,
      "--out",
      out,
      "--top",
      "2",
      "--json",
    ],
  );
  expect(wrote.code, wrote.err).toBe(0);
  const lines = readFileSync(out, "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  const { annotations } = await openDataset(dataDir);
  const rows = annotations.filter(({ split }) => split === "train");
  expect(lines).toHaveLength(rows.flatMap(({ regionCoord }) => regionCoord).length);
  expect(lines[0].box).toEqual(rows[0]!.regionCoord[0]);
  for (const { attributes } of lines) expect(attributes).toHaveLength(2);
  // Trained for a moment only: better than a guess of 2 among the 18 attributes is what can be asked.
  const right = lines.filter(({ image_id, region, attributes }) => {
    const truth = rows.find(({ imageId }) => imageId === image_id)!.regToAttr![region]!;
    return attributes.some(({ name }: { name: string }) => truth.includes(name));
  });
  expect(right.length / lines.length).toBeGreaterThan(0.35);
});

test.each([
  [["--text", "a unicorn"], /knows its attributes alone, and "a unicorn" names none of them: zero, one, /],
  [["--text", "red", "--image", "x.png"], /for --image take a model of Stage 2/],
])("a model of Stage 1 asked for %j says what it can answer", async (question, message) => {
  const { code, err } = await villa("query", "--data-dir", dataDir, "--checkpoint", mapping, ...question);
  expect(err).toMatch(message);
  expect(code).toBe(2);
});

test.each(["?!", "unicorn zebra"])("a question of which the model knows no word, %j, is refused", async (text) => {
  const { code, err } = await villa("query", "--data-dir", dataDir, "--checkpoint", checkpoint, "--text", text);
  expect(err).toMatch(/has no word|No text of the dataset contains a word of "unicorn zebra"/);
  expect(code).toBe(2);
});

test("annotate writes COCO's instances, which ingest reads again as truth", async () => {
  const out = join(folder, "regions.json");
  const { code, err } = await villa(
    ...["annotate", "--data-dir", dataDir, "--checkpoint", mapping, "--out", out, "--top", "2"],
  );
  expect(code, err).toBe(0);
  const coco = JSON.parse(readFileSync(out, "utf8"));
  const { annotations } = await openDataset(dataDir);
  expect(coco.images).toHaveLength(annotations.length);
  expect(coco.annotations).toHaveLength(annotations.flatMap(({ regionCoord }) => regionCoord).length);
  const [first] = coco.annotations;
  const [x0, y0, x1, y1] = annotations[0]!.regionCoord[0]!;
  expect(first).toMatchObject({ id: 1, image_id: 0, bbox: [x0, y0, x1 - x0, y1 - y0], iscrowd: 0 });
  expect(coco.categories.find(({ id }: { id: number }) => id === first.category_id).name).toBe(first.attributes[0]);
});

test("annotate writes a row per attribute as CSV", async () => {
  const out = join(folder, "regions.csv");
  await villa("annotate", "--data-dir", dataDir, "--checkpoint", checkpoint, "--out", out, "--top", "2");
  const [head, first] = readFileSync(out, "utf8").split("\n");
  expect(head).toBe("image_id,source,split,region,x0,y0,x1,y1,attribute,score");
  expect(first).toMatch(/^0,,\w+,0,\d+,\d+,\d+,\d+,\w+,-?[\d.]+$/);
});

/** `metadata_props` of an ONNX file, whose every byte must belong to a field. */
function metadataOf(bytes: Uint8Array): Record<string, string> {
  const metadata: Record<string, string> = {};
  for (const { field, value } of protobufFields(bytes)) {
    if (field !== 14) continue;
    const [key, text] = protobufFields(value).map((each) => new TextDecoder().decode(each.value));
    metadata[key!] = text!;
  }
  return metadata;
}

/** The numbers and the texts or messages of a protobuf message. */
function protobufFields(bytes: Uint8Array): { field: number; value: Uint8Array }[] {
  let at = 0;
  const varint = (): number => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[at++]!;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) return value;
    }
  };
  const fields: { field: number; value: Uint8Array }[] = [];
  while (at < bytes.length) {
    const key = varint();
    const length = varint(); // of a number, its value
    const value = key % 8 === 2 ? bytes.subarray(at, at + length) : new Uint8Array(0);
    at += value.length;
    fields.push({ field: key >> 3, value });
  }
  expect(at).toBe(bytes.length);
  return fields;
}

test("export writes a whole model as a folder, whose ONNX file says what it takes", async () => {
  const out = join(folder, "exported");
  const { code, err } = await villa("export", "--checkpoint", checkpoint, "--data-dir", dataDir, "--out", out);
  expect(code, err).toBe(0);
  expect(readdirSync(out).sort()).toEqual(["README.md", "attributes.json", "attributes.npy", "encoder.onnx"]);
  expect(metadataOf(await readFileBytes(join(out, "encoder.onnx")))).toEqual(
    onnxInterface({ imageSize: undefined, cropSide: undefined }),
  );
  const names = JSON.parse(readFileSync(join(out, "attributes.json"), "utf8"));
  const { shape } = readNpy(await readFileBytes(join(out, "attributes.npy")));
  expect(shape).toEqual([names.length, 16]);
  expect(readFileSync(join(out, "README.md"), "utf8")).toContain(
    onnxInterface({ imageSize: undefined, cropSide: undefined }).images,
  );
  const without = await villa("export", "--checkpoint", checkpoint, "--out", out);
  expect([without.code, without.err]).toEqual([2, expect.stringContaining("Give --data-dir")]);
});

test("query and annotate are functions too", async () => {
  const backend = await useNodeBackend({ name: "cpu" });
  try {
    const { hits, attributes } = await query({ dataDir, checkpoint: mapping, text: "something red", top: 3 });
    expect([hits.length, attributes]).toEqual([3, ["red"]]);
    let count = 0;
    for await (const { attributes: own, region } of annotate({ dataDir, checkpoint: mapping, split: "val" })) {
      expect(own).toHaveLength(3);
      if (count++ === 0) expect(region).toBe(0);
    }
    expect(count).toBeGreaterThan(0);
  } finally {
    await backend.dispose();
  }
});

/** Some of the images as PNG files, made a dataset of by `villa ingest`, without any truth. @returns its folder */
async function ownDataset(): Promise<string> {
  const { annotations, readImage } = await openDataset(dataDir);
  const rows = annotations.slice(0, 4).map(async (row) => {
    const { width, height, data } = await readImage(row);
    const pixels = new Uint8Array(4 * width * height).map((_, i) =>
      i % 4 === 3 ? 255 : data[(i % 4) * width * height + (i >> 2)]!,
    );
    const image = `${row.imageId}.png`;
    await writeFile(join(folder, image), encodePng({ width, height, data: pixels }));
    return `${JSON.stringify({ image, text: row.text, boxes: row.regionCoord, split: "train" })}\n`;
  });
  await writeFile(join(folder, "own.jsonl"), (await Promise.all(rows)).join(""));
  const own = join(folder, "own");
  const { code, err } = await villa(
    ...["ingest", "--images", folder, "--table", join(folder, "own.jsonl"), "--out", own],
    ...["--attributes", join(dataDir, "attributes.json")],
  );
  expect(code, err).toBe(0);
  return own;
}

test("a page for corrections: what is clicked becomes the region_attributes of a table that ingest reads", async () => {
  const own = await ownDataset();
  const out = join(folder, "correct.html");
  const { code, err } = await villa(
    ...["annotate", "--data-dir", own, "--checkpoint", checkpoint, "--out", out, "--top", "1", "--pictures", "2"],
  );
  expect(code, err).toBe(0);
  const page = readFileSync(out, "utf8");
  const [, script = ""] = /<script>(.*)<\/script>/s.exec(page)!;
  const hash = createHash("sha256").update(script).digest("base64");
  expect(page).toContain(`script-src 'sha256-${hash}'`);

  const window = parseHTML(page);
  const { document } = window;
  const saved: Blob[] = [];
  const url = { createObjectURL: (blob: Blob) => saved.push(blob) && "blob:x" };
  new Function("document", "HTMLElement", "URL", script)(document, window.HTMLElement, url);
  const [figure] = document.querySelectorAll("[data-image]");
  const buttons = [...figure!.querySelectorAll('button[data-region="0"]')];
  const clicked = buttons.map((button) => button as unknown as HTMLElement);
  const isOn = (button: HTMLElement) => button.getAttribute("aria-pressed") === "true";
  expect(clicked.filter(isOn)).toHaveLength(1);
  for (const button of clicked) button.click();
  const expected = clicked.filter(isOn).map(({ textContent }) => textContent);
  (document.getElementById("save") as unknown as HTMLElement).click();
  const rows = (await saved[0]!.text())
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(rows).toHaveLength(1); // only what somebody has looked at is truth
  expect(rows[0].region_attributes[0]).toEqual(expected);

  const table = join(folder, "corrections.jsonl");
  await writeFile(table, await saved[0]!.text());
  const corrected = join(folder, "corrected");
  const ingested = await villa(
    ...["ingest", "--images", own, "--table", table, "--attributes", join(own, "attributes.json")],
    ...["--out", corrected],
  );
  expect(ingested.code, ingested.err).toBe(0);
  const [row] = (await openDataset(corrected)).annotations;
  expect(row!.regToAttr![0]!.toSorted()).toEqual(expected.toSorted());
});

import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { useNodeBackend } from "@villa/backend-node";
import type { Terminal } from "@villa/command-kit";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runVilla } from "../src/main.ts";
import type { QuickstartSizes } from "../src/quickstart/prepare.ts";
import { freshFolder } from "../src/quickstart/prepare.ts";
import { type QuickstartResult, runQuickstart } from "../src/quickstart/run.ts";
import { renderReport } from "../src/report/quickstart-page.ts";

const sizes: QuickstartSizes = {
  budgets: { train: 240, val: 120, test: 120 },
  sampleComplexity: 12,
  glyphs: { train: 200, test: 100 },
  dimension: 32,
  stage1: { epochs: 2, batchSize: 8, learningRate: 1e-3 },
  stage2: { epochs: 1, batchSize: 8, learningRate: 1e-3, width: 2, dimension: 16 },
};

let folder = "";
let out = "";
let result: QuickstartResult;
let page = "";
const begun: string[] = [];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "villa-quickstart-"));
  out = join(folder, "with space");
  const backend = await useNodeBackend();
  result = await runQuickstart(
    { out, digits: "glyphs", seed: 5, sizes, threads: 1, onStep: (name) => begun.push(name) },
    backend,
  );
  await backend.dispose();
  page = await readFile(result.report, "utf8");
}, 120_000);

afterAll(() => rm(folder, { recursive: true, force: true }));

test("the report has every section, pictures and charts, and loads nothing", () => {
  for (const id of ["data", "mapping", "vlm", "ran", "going-on"]) expect(page).toContain(`<section id="${id}">`);
  expect(page.match(/<svg/g)?.length).toBeGreaterThanOrEqual(6);
  expect(page.match(/<img src="data:image\/png;base64,/g)?.length).toBeGreaterThanOrEqual(6);
  const loads = page.match(/(?:src|href|url\(|@import)\s*=?\s*["'(]?\s*(?:https?:|\/\/)/g);
  expect(loads).toBeNull();
  expect(page).not.toMatch(/<script|<link/);
  expect(page).not.toMatch(/\b(?:NaN|undefined|\[object)\b/);
});

test("both models and the untrained floor are judged on the same regions", () => {
  const judged = [...result.models.map(({ evaluation }) => evaluation), result.untrained];
  expect(result.models.map(({ pairs }) => pairs)).toEqual(["mapping", "image"]);
  expect(new Set(judged.map(({ regions }) => regions)).size).toBe(1);
  expect(result.stage1.splits.map(({ split }) => split)).toEqual(["train", "val", "test"]);
  expect(result.stage1.history).toHaveLength(2);
  expect(result.steps.length).toBeGreaterThanOrEqual(7);
  expect(begun).toEqual(result.steps.map(({ name }) => name));
});

test("quickstart.json holds the figures, and texts are escaped", async () => {
  const stored = JSON.parse(await readFile(join(out, "quickstart.json"), "utf8"));
  expect(stored.stage1.splits).toEqual(result.stage1.splits);
  const hostile = renderReport(
    { ...result, digits: `<img src="http://example.org">` },
    { samples: [], right: [], wrong: [] },
  );
  expect(hostile).not.toContain('<img src="http');
});

test("villa evaluate --report shows what was found", async () => {
  const shown: string[] = [];
  const terminal: Terminal = { out: (line) => shown.push(line), err: () => {}, interactive: false };
  const report = join(folder, "retrieval.html");
  const checkpoint = join(out, "checkpoints/stage2_mapping/best.safetensors");
  const args = ["evaluate", "--data-dir", result.dataset, "--checkpoint", checkpoint, "--report", report];
  expect(await runVilla(args, terminal)).toBe(0);
  expect(shown.join("\n")).toContain(report);
  const html = await readFile(report, "utf8");
  expect(html.match(/<figure class="(?:right|wrong)">/g)).toHaveLength(20 * 8);
  expect(html).not.toMatch(/\b(?:NaN|undefined|\[object)\b|<script|src="http/);
});

test("a second run replaces its own folder and nobody else's", async () => {
  await freshFolder(out);
  expect(await readdir(out)).toEqual([".villa-quickstart"]);
  const other = join(folder, "other");
  await mkdir(other);
  await writeFile(join(other, "thesis.txt"), "mine");
  await expect(freshFolder(other)).rejects.toMatchObject({ code: "AlreadyExists" });
  expect(await readdir(other)).toEqual(["thesis.txt"]);
});

test("Ctrl-C stops at a safe point and says how the next one begins", async () => {
  const said: string[] = [];
  const terminal: Terminal = {
    out: (line) => said.push(line),
    err: (line) => {
      said.push(line);
      if (line.startsWith("Generate")) process.emit("SIGINT");
    },
    interactive: false,
  };
  expect(await runVilla(["quickstart", "--out", join(folder, "stopped"), "--digits", "glyphs"], terminal)).toBe(130);
  expect(said.at(-1)).toBe("villa: Stopped. The next quickstart starts from the beginning.");
});

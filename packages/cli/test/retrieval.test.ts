// query and annotate, as their callers meet them: on a small dataset, with models of a moment's training.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { glyphDigits } from "@villa/docmnist";
import { writeDataset } from "@villa/docmnist/node";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { runVilla } from "../src/main.ts";

let folder = "";
let dataDir = "";
/** Of Stage 2. */
let checkpoint = "";

async function villa(...words: readonly string[]) {
  const lines = { out: [] as string[], err: [] as string[] };
  const terminal = {
    out: (line: string) => lines.out.push(line),
    err: (line: string) => lines.err.push(line),
    interactive: false,
  };
  const code = await runVilla(words, terminal);
  return { code, out: lines.out.join("\n"), err: lines.err.join("\n") };
}

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

test.skipIf(!existsSync("/sys/kernel")).each(["stage1", "map"])(
  "%s looks whether it can write its mappings before it does anything else",
  async (command) => {
    const { code, err } = await villa(command, "data_dir=/sys/kernel");
    expect(err).toMatch(/^villa: Cannot write \/sys\/kernel: /);
    expect(code).toBe(1);
  },
);

import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { glyphDigits } from "@villa/docmnist";
import { writeDataset } from "@villa/docmnist/node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { runVilla } from "../src/index.ts";

const folder = mkdtempSync(join(tmpdir(), "villa-tars-"));
const [data, tars] = [join(folder, "small"), join(folder, "tars")];

beforeAll(async () => {
  const digits = { train: glyphDigits(1, 200) };
  const budgets = { attributeBudget: 400, targetSampleComplexity: 12, valAttributeBudget: 100 };
  await writeDataset({ digits, ...budgets, out: folder, name: "small" });
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function exportTars(samplesPerTar: number, ...argv: string[]): Promise<string[]> {
  const terminal = { out: () => {}, err: () => {}, interactive: false };
  const options = ["--data-dir", data, "--out", tars, "--pairs", "oracle", "--samples-per-tar", String(samplesPerTar)];
  expect(await runVilla(["export-webdataset", ...options, ...argv], terminal)).toBe(0);
  return readdirSync(tars).sort();
}

test("a shorter export leaves none of the longer one's tars, and what is not a tar of the split stays", async () => {
  expect((await exportTars(5)).length).toBeGreaterThan(3);
  const others = ["other-000009.tar", "train-notes.tar", "train-000009.tar.bak"];
  for (const name of others) writeFileSync(join(tars, name), "");
  const left = await exportTars(20);
  expect(left.filter((name) => !others.includes(name))).toEqual(
    left.filter((name) => /^train-\d{6}\.tar$/.test(name) && Number(name.slice(6, 12)) < 3),
  );
  expect(left).toEqual(expect.arrayContaining(others));
});

test("a shard removes only leftovers of its own share", async () => {
  for (const name of ["train-000100.tar", "train-000101.tar"]) writeFileSync(join(tars, name), "");
  const left = await exportTars(20, "--shard", "0/2");
  expect(left).not.toContain("train-000100.tar");
  expect(left).toContain("train-000101.tar");
  const lone = await exportTars(20, "--shard", "99/100");
  expect(lone).toContain("train-000101.tar");
});

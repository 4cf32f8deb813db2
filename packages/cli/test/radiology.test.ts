// docs/radiology.md by its commands: DICOM files and reports in, answers to a question out.
import { copyFile, mkdir, mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openDataset } from "@villa/data/node";
import { fixturesDirectory } from "@villa/testing";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { villa } from "./villa.ts";

const fixtures = join(fixturesDirectory, "dicom");
const reports = [
  "HISTORY: Cough, rule out fracture.\nFINDINGS:\nSmall left pleural effusions. No pneumothorax.\nIMPRESSION: Effusion.",
  "HISTORY: Fever.\nFINDINGS: Heart is mildly enlarged. Possible edema. Lungs are otherwise clear of effusion.",
];

let folder = "";
let dataDir = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "villa-radiology-"));
  dataDir = join(folder, "data");
  const scans = (await readdir(fixtures)).filter((name) => name.endsWith(".dcm"));
  await mkdir(join(folder, "files"));
  for (const name of scans) await copyFile(join(fixtures, name), join(folder, "files", name));
  // One patient made all of the fixtures, so the table says what belongs together.
  const rows = scans.map((image, i) => ({
    image,
    text: reports[i % 2],
    patient: `p${i}`,
    split: i % 4 ? "train" : "val",
  }));
  await writeFile(join(folder, "reports.jsonl"), rows.map((row) => JSON.stringify(row)).join("\n"));
  const attributes = [
    { name: "pleural effusion", synonyms: ["effusion"] },
    { name: "cardiomegaly", synonyms: ["heart * enlarged"] },
    ...["edema", "fracture", "pneumothorax"],
  ];
  await writeFile(join(folder, "findings.json"), JSON.stringify(attributes));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function done(...argv: string[]): Promise<string> {
  const { code, out, err } = await villa(...argv, "--json");
  expect(code, err).toBe(0);
  return out.trim().split("\n").at(-1)!;
}

test("reports are read by their sections, and what they deny, doubt or suspect is told apart", async () => {
  const printed = vi.spyOn(console, "log");
  await done(
    ...["ingest", "--images", join(folder, "files"), "--table", join(folder, "reports.jsonl"), "--out", dataDir],
    ...["--section", "FINDINGS", "--attributes", join(folder, "findings.json"), "--inflections", "--uncertain", "omit"],
    ...["--group-by", "patient", "--regions", "grid:2x2"],
  );
  expect(printed, "the codecs' own notes").not.toHaveBeenCalled();
  const { annotations } = await openDataset(dataDir);
  const [first, second] = annotations;
  expect(first).toMatchObject({ attributes: ["pleural effusion"], numRegions: 4 });
  expect(first?.text).not.toMatch(/cough|fracture/i);
  expect(second).toMatchObject({ attributes: ["cardiomegaly"], uncertainAttributes: ["edema"] });
});

test("Stage 1 learns from them, and villa query answers", { timeout: 180_000 }, async () => {
  await done("preprocess", "--data-dir", dataDir, "--encoder", "pixels", "--dimension", "32");
  const checkpoints = join(folder, "checkpoints");
  await done(
    "stage1",
    `data_dir=${dataDir}`,
    `checkpoint_dir=${checkpoints}`,
    "task_name=mapping",
    "epochs=2",
    "batch_size=8",
  );
  const question = ["--text", "left pleural effusion", "--top", "3", "--out", join(folder, "hits.html")];
  const answer = await done("query", "--data-dir", dataDir, "--checkpoint", join(checkpoints, "mapping"), ...question);
  const { hits } = JSON.parse(answer) as { hits: { source: string; box: number[]; score: number }[] };
  expect(hits).toHaveLength(3);
  for (const { source, box, score } of hits) {
    expect(source).toMatch(/\.dcm$/);
    expect(box).toHaveLength(4);
    expect(Number.isFinite(score)).toBe(true);
  }
});

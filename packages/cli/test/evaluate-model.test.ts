// From a small dataset and a model of random weights: every task runs, is repeatable, and can be compared.
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { useNodeBackend } from "@villa/backend-node";
import { docMnistVocabulary, readAnnotations, writeAnnotations } from "@villa/data";
import { glyphDigits } from "@villa/docmnist";
import { writeDataset } from "@villa/docmnist/node";
import { stage2Config } from "@villa/vlm";
import { runStage2 } from "@villa/vlm/node";
import { afterAll, beforeAll, expect, test } from "vitest";
import { villa } from "./villa.ts";

let folder = "";
let dataDir = "";
let checkpoint = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "villa-tasks-"));
  const written = await writeDataset({
    digits: { train: glyphDigits(1, 200), test: glyphDigits(2, 100) },
    seed: 3,
    out: folder,
    attributeBudget: 100,
    valAttributeBudget: 40,
    testAttributeBudget: 160,
    targetSampleComplexity: 8,
  });
  dataDir = written.directory;
  const backend = await useNodeBackend();
  const trained = await runStage2(
    stage2Config({
      dataDir,
      checkpointDir: join(folder, "checkpoints"),
      taskName: "run",
      pairs: "oracle",
      batchSize: 4,
      epochs: 1,
      model: { weights: null, width: 2, layers: [1, 1, 1, 1], embDim: 16 },
      textEncoder: "hashed",
    }),
  );
  checkpoint = trained.lastCheckpoint;
  await backend.dispose();
}, 120_000);
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Evaluates and returns the record. */
async function evaluate(name: string, task: string, ...flags: readonly string[]) {
  const out = join(folder, name);
  const given = ["--data-dir", dataDir, "--checkpoint", checkpoint, "--resamples", "20", "--out", out];
  const { code, err } = await villa("evaluate", "--task", task, ...given, ...flags);
  expect(code, err).toBe(0);
  const page = await readFile(join(out, "evaluation.html"), "utf8");
  expect(page).not.toMatch(/NaN|undefined|<script/);
  return JSON.parse(await readFile(join(out, "evaluation.json"), "utf8"));
}

test.each(["retrieval", "detection", "classification", "grounding", "fine-grained"])(
  "%s: groups that truth does not cover are left out, and named",
  async (task) => {
    const { groups } = docMnistVocabulary;
    const colours = new Set(groups.find(({ name }) => name === "color")!.attributes);
    const variant = async (name: string, vocabulary: object, keeps: (attribute: string) => boolean) => {
      const directory = join(folder, `${name}-${task}`);
      await cp(dataDir, directory, { recursive: true });
      const path = join(directory, "annotations.feather");
      const rows = (await readAnnotations(await readFile(path))).map((row) => ({
        ...row,
        regToAttr: row.regToAttr!.map((own) => own.filter(keeps)),
      }));
      await writeFile(path, await writeAnnotations(rows));
      await writeFile(join(directory, "attributes.json"), JSON.stringify(vocabulary));
      return directory;
    };
    const noColour = (attribute: string) => !colours.has(attribute);
    const alone = await variant("alone", { groups: groups.filter(({ name }) => name !== "color") }, noColour);
    // A truth that is there all the same is not to be relied on.
    const marked = await variant("marked", { groups, without_truth: [...colours] }, () => true);
    const expected = await evaluate(`alone-${task}-out`, task, "--data-dir", alone);
    const found = await evaluate(`marked-${task}-out`, task, "--data-dir", marked);
    expect(found.numbers).toEqual(expected.numbers);
    expect(found.warnings).toEqual([
      "Left out of every measure, since regions have no true attributes of it: the group color.",
      ...expected.warnings,
    ]);
  },
  120_000,
);

test("a class without truth is refused", async () => {
  const directory = join(folder, "without-colour");
  await cp(dataDir, directory, { recursive: true });
  const { groups } = docMnistVocabulary;
  await writeFile(join(directory, "attributes.json"), JSON.stringify({ groups, without_truth: groups[1]!.attributes }));
  const flags = ["--data-dir", directory, "--checkpoint", checkpoint, "--classes", "digit+color"];
  const { code, err } = await villa("evaluate", "--task", "classification", ...flags);
  expect(code).toBe(1);
  expect(err).toContain('"color" cannot be judged: this dataset does not say which regions have it.');
});

test.each(["retrieval", "detection", "classification", "grounding", "fine-grained"])(
  "%s: numbers with intervals, and the record that repeats them",
  async (task) => {
    const record = await evaluate(task, task);
    const values = Object.values<{ value: number | null; low: number | null; high: number | null }>(record.numbers);
    expect(values.length).toBeGreaterThan(3);
    for (const { value, low, high } of values) {
      if (value === null || value === -1 || low === null || high === null) continue;
      expect(low).toBeLessThanOrEqual(high);
      if (task !== "grounding") expect(value >= 0 && value <= 1).toBe(true); // contrast to noise has no bounds
    }
    expect(record.inputs.map((input: { role: string }) => input.role)).toEqual(
      expect.arrayContaining(["annotations", "checkpoint"]),
    );
    const again = await evaluate(`${task}-again`, task);
    expect(again.numbers).toEqual(record.numbers);
  },
  120_000,
);

test("a true box is found by its class where each region is scored alone; jittered proposals find less", async () => {
  const given = await evaluate("truth", "detection", "--classes", "digit+color", "--nms", "1");
  expect(given.numbers.AR100.value).toBeGreaterThan(0.5); // every box has every class, up to 100 an image
  expect(Object.keys(given.settings.prompts)).toHaveLength(50);
  const pyramid = await evaluate("pyramid", "detection", "--classes", "digit+color", "--proposals", "pyramid:3:0.3");
  expect(pyramid.numbers.AR100.value).toBeLessThan(given.numbers.AR100.value);
  const list = join(folder, "boxes.json");
  await writeFile(list, JSON.stringify([{ image_id: given.items.ids[0], bbox: [0, 0, 20, 20] }]));
  const file = await evaluate("file", "detection", "--proposals", list);
  expect(file.inputs.map((input: { role: string }) => input.role)).toContain("proposals");
  expect(file.details.detections).toBe(10);
}, 120_000);

test("samples of k × n are written out, by image and region", async () => {
  const { settings, details } = await evaluate("samples", "classification", "--classes", "color", "--samples", "2");
  expect(settings.samples).toHaveLength(5);
  for (const { examples } of settings.samples) {
    expect(examples).toHaveLength(2);
    for (const example of examples) expect(Object.keys(example)).toEqual(["imageId", "region"]);
  }
  expect(details.examples).toBe(10);
});

test("runs are compared on the same samples; other tasks, images or changed files are refused", async () => {
  const [a, b, report] = [join(folder, "detection"), join(folder, "detection-again"), join(folder, "compared.html")];
  const same = await villa("compare", a, b, "--report", report, "--json");
  expect(same.code, same.err).toBe(0);
  expect(JSON.parse(same.out).differences.AP).toMatchObject({ difference: { value: 0, low: 0, high: 0 }, pValue: 1 });
  expect(await readFile(report, "utf8")).not.toMatch(/NaN|undefined|<script/);
  const fine = join(folder, "fine-grained");
  expect((await villa("compare", a, fine)).err).toMatch(/different tasks/);
  expect((await villa("compare", fine, join(folder, "fine-grained-again"), "--report", report)).code).toBe(0);
  const { items, ...rest } = JSON.parse(await readFile(join(fine, "evaluation.json"), "utf8"));
  await writeFile(join(folder, "fewer.json"), JSON.stringify({ ...rest, items: { ids: items.ids.slice(1) } }));
  expect((await villa("compare", fine, join(folder, "fewer.json"))).err).toMatch(/different images/);
  await writeFile(join(b, "detections.json"), "[]");
  expect((await villa("compare", a, b)).err).toMatch(/has changed since it was evaluated/);
  expect((await villa("compare", a, dataDir)).code).toBe(1);
});

test("classes that there are not, and models that know no texts, are refused", async () => {
  const given = ["--data-dir", dataDir, "--checkpoint", checkpoint, "--resamples", "0"];
  expect((await villa("evaluate", "--task", "detection", ...given, "--classes", "cat")).err).toMatch(
    /neither an attribute nor a group/,
  );
  expect((await villa("evaluate", "--task", "detection", ...given, "--templates", "a photo")).err).toMatch(
    /has no \{\}/,
  );
  const stored = ["--data-dir", dataDir, "--checkpoint", "embeddings"];
  expect((await villa("evaluate", "--task", "grounding", ...stored)).err).toMatch(
    /are only of its own boxes and attributes/,
  );
});

import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type CocoDataset, type CocoDetection, cocoNumberNames, type IouType } from "@villa/metrics";
import { golden } from "@villa/testing";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runVilla } from "../src/main.ts";

interface GoldenCase {
  readonly name: string;
  readonly kind: string;
  readonly iouType: IouType;
  readonly truth: CocoDataset;
  readonly detections: readonly CocoDetection[];
  readonly expected: { readonly numbers: Readonly<Record<string, number>> };
}

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "villa-evaluate-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** Runs `villa evaluate --task detection` on a truth and detections given as values or as texts of their files. */
async function evaluate(truth: unknown, detections: unknown, ...flags: readonly string[]) {
  const [truthPath, detectionsPath] = [join(folder, "truth.json"), join(folder, "detections.json")];
  const text = (value: unknown) => (typeof value === "string" ? value : JSON.stringify(value));
  await writeFile(truthPath, text(truth));
  await writeFile(detectionsPath, text(detections));
  return run("--task", "detection", "--truth", truthPath, "--detections", detectionsPath, ...flags);
}

async function run(...flags: readonly string[]) {
  const lines = { out: [] as string[], err: [] as string[] };
  const terminal = {
    out: (line: string) => lines.out.push(line),
    err: (line: string) => lines.err.push(line),
    interactive: false,
  };
  const code = await runVilla(["evaluate", ...flags], terminal);
  return { code, out: lines.out, err: lines.err.join("\n") };
}

// The numbers are compared in the tests of metrics; these go through files and the command.
const cases = golden()
  .json<{ cases: readonly GoldenCase[] }>("detection.json")
  .cases.filter(({ kind }) => kind === "coco");

describe.each(cases)("$name", ({ truth, detections, iouType, expected }) => {
  test("the last line of --json has the twelve numbers of pycocotools", async () => {
    const { code, out, err } = await evaluate(truth, detections, "--iou-type", iouType, "--resamples", "0", "--json");
    expect(code, err).toBe(0);
    const result = JSON.parse(out.at(-1)!);
    expect(Object.keys(result).slice(0, 12)).toEqual([...cocoNumberNames]);
    for (const name of cocoNumberNames) {
      expect(Math.abs(result[name] - expected.numbers[name]!), name).toBeLessThan(1e-9);
    }
  });
});

const truth = {
  images: [1, 2, 3].map((id) => ({
    id,
    width: 100,
    height: 100,
    file_name: `${id}.jpg`,
    patient: id === 3 ? "b" : "a",
  })),
  categories: [
    { id: 1, name: "mug" },
    { id: 2, name: "lid" },
  ],
  annotations: [1, 2, 3].map((id) => ({ id, image_id: id, category_id: 1, bbox: [10, 10, 40, 40], area: 1600 })),
};
const detection = { image_id: 1, category_id: 1, bbox: [12, 10, 40, 40], score: 0.9 };

test("intervals are seeded, by image or by group; the table tells what is odd", async () => {
  const detections = [detection, { ...detection, image_id: 2 }];
  const json = async (...flags: readonly string[]) => {
    const { out, code, err } = await evaluate(truth, detections, "--json", ...flags);
    expect(code, err).toBe(0);
    return JSON.parse(out.at(-1)!);
  };
  const first = await json("--resamples", "50");
  expect(await json("--resamples", "50")).toEqual(first);
  expect((await json("--resamples", "50", "--seed", "1")).intervals).not.toEqual(first.intervals);
  expect(first.intervals.AR1[0]).toBeLessThan(first.AR1);
  expect(first.intervals.AR1[1]).toBeGreaterThan(first.AR1);
  expect(first.intervals.APl).toEqual([null, null]);
  const grouped = await json("--resamples", "50", "--group-by", "patient");
  expect(grouped.bootstrap.over).toBe("groups");
  expect(grouped.intervals).not.toEqual(first.intervals);
  const corners = { ...detection, bbox: [60, 60, 90, 90] };
  const shown = (await evaluate(truth, [corners], "--resamples", "0")).out.join("\n");
  expect(shown).toContain("Mind: 1 of 1 boxes of detections leave their image. They look like corners");
  expect(shown).toMatch(/mug +0\.000/);
});

test("--out writes all that repeats the numbers, and a page", async () => {
  const out = join(folder, "out");
  const { code, err } = await evaluate(truth, [detection], "--resamples", "20", "--seed", "7", "--out", out);
  expect(code, err).toBe(0);
  const record = JSON.parse(await readFile(join(out, "evaluation.json"), "utf8"));
  expect(record.bootstrap).toMatchObject({ resamples: 20, seed: 7, level: 0.95 });
  expect(record.inputs.map((input: { role: string }) => input.role)).toEqual(["truth", "detections"]);
  for (const { sha256 } of record.inputs) expect(sha256).toMatch(/^[0-9a-f]{64}$/);
  expect(record.items.ids).toEqual([1, 2, 3]);
  const page = await readFile(join(out, "evaluation.html"), "utf8");
  expect(page).toContain("Precision and recall");
  expect(page).toContain("truly mug · image 2"); // missed
  expect(page).not.toMatch(/NaN|undefined|<script/);
});

test("a name in a file is text on the page", async () => {
  const odd = { ...truth, categories: [{ id: 1, name: "<img src=x onerror=alert(1)>" }, truth.categories[1]] };
  const report = join(folder, "odd.html");
  expect((await evaluate(odd, [detection], "--resamples", "0", "--report", report)).code).toBe(0);
  expect(await readFile(report, "utf8")).not.toContain("<img src=x");
});

test.each([
  ["an unknown image", [{ ...detection, image_id: 9 }], /Detection 0 is of image 9, which the truth does not list/],
  ["an unknown category", [{ ...detection, category_id: 9 }], /Detection 0 is of category 9/],
  [
    "a score of NaN",
    `[{"image_id": 1, "category_id": 1, "bbox": [0, 0, 1, 1], "score": NaN}]`,
    /Detection 0 has the score NaN/,
  ],
  ["a file that is no list", { detections: [] }, /is no list of detections/],
  ["a file that is cut off", "[{", /not JSON/],
  ["a box of three numbers", [{ ...detection, bbox: [1, 2, 3] }], /Detection 0 has no "bbox" of four numbers/],
])("%s is refused by name", async (_, detections, message) => {
  const { code, err } = await evaluate(truth, detections, "--json");
  expect(code).toBe(1);
  expect(err).toMatch(message);
});

test("broken truths are refused by name", async () => {
  const twice = { ...truth, annotations: [...truth.annotations, truth.annotations[0]] };
  expect((await evaluate(twice, [])).err).toMatch(/Two annotations have the id 1/);
  const large = JSON.stringify(truth).replace('"images":[{"id":1,', '"images":[{"id":9007199254740993,');
  expect((await evaluate(large, [])).err).toMatch(/above 2\^53/);
  expect((await evaluate({ images: [] }, [])).err).toMatch(/no list "annotations"/);
  expect((await evaluate(truth, [], "--group-by", "hospital")).err).toMatch(/no "hospital" to group by/);
});

test("categories that the truth does not list may be left out; empty results are numbers of 0 with a warning", async () => {
  const foreign = await evaluate(
    truth,
    [detection, { ...detection, category_id: 9 }],
    "--unknown-categories",
    "--resamples",
    "0",
  );
  expect(foreign.code, foreign.err).toBe(0);
  expect(foreign.out.join("\n")).toContain("Detections of 1 categories that the truth does not list");
  const empty = await evaluate(truth, [], "--resamples", "0", "--json");
  expect(empty.code, empty.err).toBe(0);
  expect(JSON.parse(empty.out.at(-1)!)).toMatchObject({
    AP: 0,
    AR100: 0,
    APl: -1,
    warnings: [expect.stringContaining("no detections")],
  });
});

test.each([
  [["--task", "detection"], /Give --data-dir .* or --truth and --detections/],
  [["--data-dir", "data"], /Give --data-dir .* and --checkpoint/],
  [["--task", "detection", "--truth", "a.json"], /Give --detections too/],
  [["--truth", "a.json", "--detections", "b.json"], /go with --task detection/],
  [["--task", "detection", "--truth", "a", "--detections", "b", "--data-dir", "c"], /not both/],
])("villa evaluate %j is called wrongly", async (flags, message) => {
  const { code, err } = await run(...flags);
  expect(code).toBe(2);
  expect(err).toMatch(message);
});

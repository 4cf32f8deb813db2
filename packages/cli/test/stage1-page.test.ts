import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodePng, writeAnnotations } from "@villa/data";
import type { MappingReport } from "@villa/mapping";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { renderStage1Report, writeStage1Report } from "../src/report/stage1-page.ts";

const report = (count: number): MappingReport => ({
  precision: 0.6,
  recall: 0.8,
  f1: 0.6857,
  attributes: Array.from({ length: count }, (_, a) => ({
    attribute: `<b>${a}</b>`,
    correct: 6,
    assigned: 10,
    truth: 8,
    precision: 0.6,
    recall: 0.75,
    f1: a / 100,
  })),
  sweep: [0.125, 0.2].map((epsilon) => ({ epsilon, precision: 0.6, recall: 0.8, f1: 0.6857 })),
  confusion: Array.from({ length: count }, () => new Array<number>(count).fill(5)),
});
const history = [1, 2].map((epoch) => ({ epoch, loss: 3 / epoch, shares: [], validation: { loss: 2 } }));
const run = (mappings: Parameters<typeof renderStage1Report>[0]["mappings"], epsilon: number | number[] = 0.2) =>
  renderStage1Report(
    { directory: "checkpoints/a & b", history, epsilon, mappings, groups: [{ name: "thing" }, { name: "colour" }] },
    "2026-01-02T03:04:05Z",
  );

test("shows quality, loss, trade-off, attributes and confusions, and escapes texts", () => {
  const page = run([
    { split: "train", images: 20, report: report(3) },
    { split: "val", images: 5, report: report(3) },
  ]);
  for (const part of ["Quality", "Contrastive loss", "What ε trades, val split", "F1 of each", "taken for what"]) {
    expect(page).toContain(part);
  }
  expect(page.match(/<svg/g)).toHaveLength(4);
  expect(page).toContain("Within a group (thing and colour)");
  expect(page).toContain("68.6");
  expect(page).toContain(">0.125<");
  expect(page).toContain("checkpoints/a &#38; b");
  expect(page.replace(/"[^"]*"/g, "")).not.toContain("<b>"); // attributes of elements may hold it
  expect(page).not.toMatch(/NaN|undefined|<script|https?:\/\/(?!www\.w3\.org)/);
});

test("stays readable with thousands of attributes, and with one ε for each", () => {
  const page = run([{ split: "test", images: 20, report: report(2000) }], [0.1, 0.3]);
  expect(page).toContain("the best and the worst 30 of 2000");
  expect(page).toContain("one for each attribute");
  expect(page).not.toContain("taken for what");
  expect(page.length).toBeLessThan(200_000);
});

test("says so when there is no ground truth", () => {
  expect(run([{ split: "train", images: 20 }])).toContain("cannot be scored");
});

test("the figures over ε are those of val, whatever else is judged; test alone offers none", () => {
  const split = (name: string) => ({ split: name, images: 5, report: report(3) });
  const page = run([split("train"), split("val"), split("test")]);
  expect(page).toContain("What ε trades, val split");
  expect(page).toContain("<h2>ε, val split (%)</h2>");
  expect(page).toContain("F1 of each attribute, test split");
  expect(run([split("test"), split("train")])).toContain("<h2>ε, train split (%)</h2>");
  const unchosen = run([split("test")]);
  expect(unchosen).not.toMatch(/What ε trades|<h2>ε/);
  expect(unchosen).toContain("F1 of each attribute, test split");
});

describe("sample pictures", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "villa-stage1-page-"));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));

  /** A dataset of one grey image with two regions, mapped. @returns the page of the run */
  async function pageOf(regToAttr: string[][] | undefined, assignedAttributes = [["cup", "red"], []]): Promise<string> {
    const row = {
      imageId: 7,
      imageSize: [20, 30] as const,
      imageFilepath: "7.png",
      regionCoord: [
        [0, 0, 10, 10],
        [10, 0, 30, 20],
      ] as const,
      numRegions: 2,
      split: "val",
      text: "a <b>cup . it is red",
      attributes: ["cup", "red"],
      regToAttr,
    };
    const mapped = { ...row, assignedAttributes, assignedText: ["a cup", ""] };
    const grey = new Uint8Array(4 * 20 * 30).fill(255);
    await writeFile(join(folder, "7.png"), encodePng({ width: 30, height: 20, data: grey }));
    const groups = [{ name: "thing", attributes: ["cup", "red"], templates: ["a {}"] }];
    await writeFile(join(folder, "attributes.json"), JSON.stringify({ groups }));
    await writeFile(join(folder, "annotations.feather"), await writeAnnotations([row]));
    await writeFile(join(folder, "mapping_val.feather"), await writeAnnotations([mapped]));
    const mappings = [{ split: "val", images: 1, path: join(folder, "mapping_val.feather") }];
    const path = await writeStage1Report({ directory: folder, history, epsilon: 0.2, mappings }, folder);
    return readFile(path, "utf8");
  }

  test("show what regions were given, as right, wrong and missed where the truth is known", async () => {
    const page = await pageOf([["cup"], ["red"]]);
    expect(page.match(/<figure class="picture">/g)).toHaveLength(1);
    expect(page).toContain("val (1 image);");
    expect(page).toContain('<span class="chip right">✓ cup</span>');
    expect(page).toContain('<span class="chip wrong">✗ red</span>');
    expect(page).toContain('<span class="chip missed">red</span>');
    expect(page).toContain("a &#60;b&#62;cup. it is red.");
  });

  test("say so when ε is too large to tell regions apart", async () => {
    expect(await pageOf(undefined, [["cup"], ["cup"]])).toContain("ε is too large to tell them apart");
    expect(await pageOf(undefined)).not.toContain("ε is too large");
  });

  test("judge nothing where it is not", async () => {
    const page = await pageOf(undefined);
    expect(page).toContain("so nothing is judged");
    expect(page).toContain('<span class="chip unknown">cup</span>');
    expect(page).not.toMatch(/class="chip (?:right|wrong|missed)"/);
  });
});

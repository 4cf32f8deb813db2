import { readFile } from "node:fs/promises";
import { openDataset } from "@villa/data/node";
import { expect, test } from "vitest";
import type { IngestOptions } from "../src/node.ts";
import { TestFolder } from "./folder.ts";

const reports = [
  "INDICATION: Fracture?\n\nFINDINGS: Possible edema, e.g. 3.5 cm. Small effusions.\n\nIMPRESSION: No nodules.",
  "Findings: The heart is mildly enlarged. Rib fracture.\nImpression: Edema cannot be excluded. Rib fracture.",
];
const words = ["edema", "effusion", "nodule", { name: "cardiomegaly", synonyms: ["heart * enlarged"] }];

async function ingested(options: Partial<IngestOptions>, texts: readonly string[] = reports) {
  const folder = await TestFolder.make();
  const table = await folder.jsonl(texts.map((text, i) => ({ image: ["a.png", "b.png", "c.png"][i], text })));
  const attributes = await folder.attributes(words);
  const result = await folder.ingest(table, { attributes, ...options });
  return { folder, result, ...(await openDataset(folder.file("data"))) };
}

test("sections are chosen, and a report that has none of them is listed", async () => {
  const sections = ["impression"];
  const { annotations } = await ingested({ sections });
  expect(annotations.map(({ sentences }) => sentences)).toEqual([
    ["No nodules"],
    ["Edema cannot be excluded", "Rib fracture"],
  ]);
  const texts = [...reports, "INDICATION: cough"];
  await expect(ingested({ sections: ["FINDINGS", "IMPRESSION"] }, texts)).rejects.toThrow(
    'row 2: its text has no section "FINDINGS" or "IMPRESSION"',
  );
  const { result } = await ingested({ sections, skipBad: true }, texts);
  expect(result).toMatchObject({ images: 2, skippedRows: 1 });
});

test("inflections and patterns find what plain words do not; the dataset keeps the rule", async () => {
  const plain = await ingested({});
  expect(plain.annotations.map(({ attributes }) => attributes)).toEqual([["edema"], ["edema", "cardiomegaly"]]);
  const { annotations, vocabulary } = await ingested({ inflections: true });
  expect(annotations.map(({ attributes }) => attributes)).toEqual([
    ["edema", "effusion"],
    ["edema", "cardiomegaly"],
  ]);
  expect(vocabulary.inflections).toBe(true);
  await expect(ingested({ inflections: true, language: "de" })).rejects.toThrow("known in English alone");
});

test.each([
  ["positive", [["edema"], ["edema", "cardiomegaly"]]],
  ["negative", [[], ["cardiomegaly"]]],
  ["omit", [[], ["cardiomegaly"]]],
] as const)("uncertain mentions are kept apart, and count as %s", async (uncertain, expected) => {
  const { annotations, vocabulary } = await ingested({ uncertain });
  expect(annotations.map(({ attributes }) => attributes)).toEqual(expected);
  expect(annotations.map(({ uncertainAttributes }) => uncertainAttributes)).toEqual([["edema"], ["edema"]]);
  expect(vocabulary.uncertain ?? "positive").toBe(uncertain);
});

test("frequent phrases that no attribute covers are suggested", async () => {
  const texts = [reports[1]!, reports[1]!.replace("Edema", "Rib fracture")];
  const { folder } = await ingested({ suggest: 5 }, texts);
  const found = JSON.parse(await readFile(folder.file("data", "suggested-attributes.json"), "utf8")) as object[];
  expect(found).toContainEqual(expect.objectContaining({ name: "rib fracture", texts: 2, example: "Rib fracture" }));
  expect(found).not.toContainEqual(expect.objectContaining({ name: "edema" }));
});

test("a dataset's attributes.json is a file of attributes with its rules", async () => {
  const { folder } = await ingested({ inflections: true, uncertain: "omit" });
  const table = await folder.jsonl([{ image: "a.png", text: "Possible edema, effusions" }]);
  await folder.ingest(table, { attributes: folder.file("data", "attributes.json"), out: folder.file("again") });
  const { annotations, vocabulary } = await openDataset(folder.file("again"));
  expect(vocabulary).toMatchObject({ inflections: true, uncertain: "omit" });
  expect(annotations[0]).toMatchObject({ attributes: ["effusion"], uncertainAttributes: ["edema"] });
});

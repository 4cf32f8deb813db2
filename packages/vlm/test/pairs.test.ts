import { type AttributeVocabulary, datasetTexts, docMnistVocabulary } from "@villa/data";
import { golden } from "@villa/testing";
import { describe, expect, test } from "vitest";
import { imagePairs } from "../src/index.ts";

interface MappingCase {
  salt: string;
  rows: { num_regions: number; text: string; reg_to_attr: string[][]; assigned_text: string[] }[];
}

const image = { imageId: 7, imageSize: [84, 84] as const };
const box = [0, 0, 28, 28] as const;

test("sentences that a row keeps pair as they are, in the whole text and in what regions were given", () => {
  const sentences = ["Ein Becher, z. B. rot", "3.5 cm hoch"];
  const text = sentences.join(" . ");
  const row = { ...image, regionCoord: [box], sentences, text, assignedText: [sentences[1]!] };
  expect(imagePairs(row, "mapping").sentences).toEqual([[sentences[1]], sentences]);
});

describe("DocMNIST", () => {
  const rows = golden()
    .json<MappingCase[]>("mapping.json")
    .flatMap((each) => each.rows);

  test("oracle pairs are the first sentence that holds a true attribute after a space", () => {
    const texts = datasetTexts(docMnistVocabulary);
    let pairs = 0;
    for (const { text, reg_to_attr: regToAttr, num_regions: regions } of rows) {
      // The rule of the original in its plainest form.
      const sentences = text.split(".").map((piece) => piece.trim());
      const expected = regToAttr.map((attributes) => {
        const own = attributes.flatMap(
          (name) => sentences.find((each) => each.length > 3 && each.includes(` ${name}`)) ?? [],
        );
        return [...new Set(own)];
      });
      const regionCoord = Array.from({ length: regions }, () => box);
      const made = imagePairs({ ...image, regionCoord, text, regToAttr }, "oracle", { texts });
      expect(made.sentences).toEqual([...expected.filter((own) => own.length > 0), sentences.filter(Boolean)]);
      pairs += made.boxes.length;
    }
    expect(pairs).toBeGreaterThan(rows.length);
  });

  test("mapping pairs are the sentences that were assigned", () => {
    for (const { text, assigned_text: assignedText, num_regions: regions } of rows) {
      const regionCoord = Array.from({ length: regions }, () => box);
      const made = imagePairs({ ...image, regionCoord, text, assignedText }, "mapping");
      const expected = assignedText.filter((own) => own !== "").map((own) => own.split(" . "));
      expect(made.sentences.slice(0, -1)).toEqual(expected);
    }
  });
});

describe("a dataset with a vocabulary of its own", () => {
  const vocabulary: AttributeVocabulary = {
    mentions: "words",
    groups: [{ name: "x", attributes: ["red", "lid"], templates: ["a {}"], synonyms: { red: ["scarlet"] } }],
  };
  const text = "The infrared one has no lid . Scarlet, 3.5 cm . Lid, golden";
  const regionCoord = [box, [28, 0, 56, 28] as const];

  test("oracle pairs know synonyms, whole words and denials, as the mapping does", () => {
    const row = { ...image, regionCoord, text, regToAttr: [["red"], ["lid", "red"]] };
    const { sentences, boxes } = imagePairs(row, "oracle", { texts: datasetTexts(vocabulary) });
    expect(sentences).toEqual([
      ["Scarlet, 3.5 cm"],
      ["Lid, golden", "Scarlet, 3.5 cm"],
      ["The infrared one has no lid", "Scarlet, 3.5 cm", "Lid, golden"],
    ]);
    expect(boxes.at(-1)).toEqual([0, 0, 83, 83]);
  });
});

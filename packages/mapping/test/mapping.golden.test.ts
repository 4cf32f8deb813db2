import { originalTexts, RandomState } from "@villa/data";
import { mappingMetrics } from "@villa/metrics";
import { golden } from "@villa/testing";
import { expect, test } from "vitest";
import { regionsWithin } from "../src/assign/assign.ts";
import { regionTexts } from "../src/assign/region-texts.ts";

interface MappingCase {
  salt: string;
  epsilon: number;
  precision: number;
  recall: number;
  f1: number;
  rows: {
    num_regions: number;
    text: string;
    reg_to_attr: string[][];
    attributes: string[];
    scores: Record<string, number[]>;
    assigned_attributes: string[][];
    assigned_text: string[];
  }[];
}

const cases = golden().json<MappingCase[]>("mapping.json");

test.each(cases)("$salt, epsilon $epsilon: assignment, sentences and metrics equal the reference's", (golden) => {
  const random = new RandomState(23);
  const assigned = golden.rows.map((row) => {
    const regions = Array.from({ length: row.num_regions }, (): string[] => []);
    for (const attribute of row.attributes) {
      for (const region of regionsWithin(row.scores[attribute]!, golden.epsilon)) regions[region]!.push(attribute);
    }
    expect(regions).toEqual(row.assigned_attributes);

    const texts = regionTexts({ text: row.text, attributes: row.attributes }, regions, { random });
    texts.forEach((text, region) => {
      const own = text === "" ? [] : text.split(" . ");
      expect(own.length).toBe(regions[region]!.length);
      own.forEach((sentence, i) => {
        expect(originalTexts.about(row.text, regions[region]![i]!)).toContain(sentence);
      });
      expect(own.length).toBe(row.assigned_text[region] === "" ? 0 : row.assigned_text[region]!.split(" . ").length);
    });
    return regions;
  });

  const measured = mappingMetrics(
    assigned,
    golden.rows.map((row) => row.reg_to_attr),
  );
  for (const name of ["precision", "recall", "f1"] as const) {
    expect(Math.abs(100 * measured[name] - golden[name]), `${name}: percent, two decimals`).toBeLessThan(0.0051);
  }
});

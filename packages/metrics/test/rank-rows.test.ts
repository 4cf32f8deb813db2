import { RandomState } from "@villa/data";
import { expect, test } from "vitest";
import { rankRows, retrievalMetrics } from "../src/index.ts";

test("means of the rows are retrieval's numbers; a row without a right answer has none", async () => {
  const random = new RandomState(8);
  const [rows, columns] = [30, 4];
  const regions = Float32Array.from({ length: rows }, () => random.randint(-2, 3));
  const attributes = Float32Array.from({ length: columns }, () => random.randint(-1, 2));
  const labels = Uint8Array.from({ length: rows * columns }, (_, i) => (i < columns ? 0 : random.randint(0, 2)));
  const scores = Float32Array.from(
    { length: rows * columns },
    (_, i) => regions[Math.floor(i / columns)]! * attributes[i % columns]!,
  );
  const own = rankRows({ scores, labels, columns, ks: [1, 2] });
  const { regionToText } = await retrievalMetrics({ regions, attributes, labels, dimension: 1, ks: [1, 2] });
  const mean = (values: Float64Array) => {
    const known = values.filter((value) => !Number.isNaN(value));
    expect(known).toHaveLength(regionToText.queries);
    return known.reduce((sum, value) => sum + value, 0) / known.length;
  };
  expect(own.rPrecision[0]).toBeNaN();
  expect(mean(own.rPrecision)).toBeCloseTo(regionToText.rPrecision, 12);
  own.at.forEach(({ precision, recall }, j) => {
    expect(mean(precision)).toBeCloseTo(regionToText.at[j]!.precision, 12);
    expect(mean(recall)).toBeCloseTo(regionToText.at[j]!.recall, 12);
  });
});

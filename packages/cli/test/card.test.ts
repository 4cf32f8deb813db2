import { expect, test } from "vitest";
import { barChart } from "../src/report/charts.ts";
import { histogram, trainNote } from "../src/report/data-card.ts";
import { asProse } from "../src/report/html.ts";

test("a histogram has a column for each value, or at most twelve of equal width", () => {
  const counts = (...values: number[]) => values.map((complexity) => ({ complexity, images: 1 }));
  expect(histogram(counts(2, 4), 2)).toEqual([
    { label: "2", share: 0.5 },
    { label: "3", share: 0 },
    { label: "4", share: 0.5 },
  ]);
  const wide = histogram(counts(0, 7, 8, 36), 4);
  expect(wide.map(({ label }) => label)).toEqual([
    "0–3",
    "4–7",
    "8–11",
    "12–15",
    "16–19",
    "20–23",
    "24–27",
    "28–31",
    "32–35",
    "36–39",
  ]);
  expect(wide.map(({ share }) => share)).toEqual([0.25, 0.25, 0.25, 0, 0, 0, 0, 0, 0, 0.25]);
});

test("long names of attributes are cut in charts, and rare ones are not zero", () => {
  const bar = (label: string, value: number) => ({ label, bars: [{ value, color: "var(--mapped)" as const }] });
  const name = "small left-sided pleural effusion with atelectasis";
  const chart = barChart("shares", [bar(name, 0.0002), bar("edema", 0.003), bar("red", 0.074), bar("blue", 0)]);
  expect(chart).toContain("small left-sided pleural ef…");
  expect(chart).not.toContain(`>${name}<`);
  for (const text of ["&lt;0.1", "0.3", "7", "0"]) expect(chart).toContain(`>${text}</text>`);
});

test("texts of a dataset read as prose", () => {
  expect(asProse("a red mug . no lid")).toBe("a red mug. no lid.");
  expect(asProse("")).toBe("");
});

test("what the train split lacks is one sentence", () => {
  const [train, val] = ["train", "val"].map((split) => ({ split, images: 1, regions: 1, complexity: 1 }));
  expect(trainNote({ splits: [train!], neverSeen: [] })).toBeUndefined();
  expect(trainNote({ splits: [train!], neverSeen: ["red"] })).toBe(
    'No image of the train split has "red", so nothing can be learned about it.',
  );
  const many = Array.from({ length: 25 }, (_, i) => `a${i}`);
  expect(trainNote({ splits: [train!], neverSeen: many })).toMatch(/"a19" and 5 more, so/);
  expect(trainNote({ splits: [val!], neverSeen: many })).toMatch(/^No image is in the split "train"/);
});

import { expect, test } from "vitest";
import { excludeWithinGroups } from "../src/assign/exclusive.ts";
import { type AttributeScores, assignRegions } from "../src/index.ts";

const counts = Int32Array.of(3, 2);
const scored = (images: number[], values: number[]): AttributeScores => ({
  images: Int32Array.from(images),
  values: Float32Array.from(values),
});

test("a region gets the attribute of a group whose best score it is nearest to", () => {
  // Image 0 mentions both attributes of the group, image 1 only the second; attribute 2 is in no group.
  const scores = [
    scored([0], [1, 0.875, 0.5]),
    scored([0, 1], [0.25, 0.625, 0.75, 0.9375, 0.875]),
    scored([0], [0.5, 0.5, 0.5]),
  ];
  expect(assignRegions(scores, { counts, epsilon: 0.25 })).toEqual([
    [
      [0, 2],
      [0, 1, 2],
      [1, 2],
    ],
    [[1], [1]],
  ]);
  const exclusive = excludeWithinGroups(scores, { counts, groups: [[0, 1]] });
  for (const epsilon of [0.25, 2]) {
    // Region 1 is 1/8 below the best of each: equal ones stay.
    expect(assignRegions(exclusive, { counts, epsilon })).toEqual([
      [
        [0, 2],
        [0, 1, 2],
        [1, 2],
      ],
      [[1], [1]],
    ]);
  }
  const nearer = [scored([0], [1, 0.9375, 0.5]), ...scores.slice(1)];
  expect(assignRegions(excludeWithinGroups(nearer, { counts, groups: [[0, 1]] }), { counts, epsilon: 2 })[0]).toEqual([
    [0, 2],
    [0, 2],
    [1, 2],
  ]);
});

test("every attribute that an image mentions keeps its best region", () => {
  const scores = [scored([0], [0.9, 0.1, 0.2]), scored([0], [0.8, 0.1, 0.3])];
  const assigned = assignRegions(excludeWithinGroups(scores, { counts, groups: [[0, 1]] }), { counts, epsilon: 0.05 });
  expect(assigned[0]![0]).toEqual([0, 1]);
});

test("without groups nothing changes; groups that overlap are refused", () => {
  const scores = [scored([0], [0.9, 0.1, 0.2]), scored([0], [0.8, 0.1, 0.3])];
  expect(excludeWithinGroups(scores, { counts, groups: [] })).toEqual(scores);
  expect(() => excludeWithinGroups(scores, { counts, groups: [[0, 1], [1]] })).toThrow(
    "Attribute 1 is in two exclusive groups.",
  );
  expect(() => excludeWithinGroups(scores, { counts, groups: [[0, 7]] })).toThrow("Attribute 7 is none of 2.");
});

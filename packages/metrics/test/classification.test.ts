import { isVillaError } from "@villa/data";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { auroc, balancedSample, topKAccuracy } from "../src/index.ts";
import { mean, tiedOrders } from "./rankings.ts";

/** Few different values, so that ties are common. */
const scoreTables = fc
  .record({ examples: fc.integer({ min: 1, max: 7 }), classes: fc.integer({ min: 1, max: 5 }) })
  .chain(({ examples, classes }) =>
    fc.record({
      classes: fc.constant(classes),
      scores: fc.array(fc.integer({ min: 0, max: 3 }), {
        minLength: examples * classes,
        maxLength: examples * classes,
      }),
      labels: fc.array(fc.integer({ min: 0, max: classes - 1 }), { minLength: examples, maxLength: examples }),
    }),
  );

describe("topKAccuracy", () => {
  test("equals the mean over all orders of ties", () => {
    fc.assert(
      fc.property(scoreTables, ({ classes, scores, labels }) => {
        const result = topKAccuracy({ scores, labels, classes, ks: [1, 2, 5] });
        for (const [j, { k, accuracy, meanPerClass }] of result.at.entries()) {
          const hits = labels.map((label, i) =>
            mean(
              tiedOrders(scores.slice(i * classes, (i + 1) * classes)).map((o) =>
                Number(o.slice(0, k).includes(label)),
              ),
            ),
          );
          expect(accuracy).toBeCloseTo(mean(hits), 12);
          expect([...result.hits].filter((_, i) => i % 3 === j)).toEqual(hits.map((hit) => expect.closeTo(hit, 12)));
          const present = [...new Set(labels)];
          const perClass = present.map((c) => mean(hits.filter((_, i) => labels[i] === c)));
          expect(meanPerClass).toBeCloseTo(mean(perClass), 12);
        }
      }),
    );
  });

  test.each([
    ["Mismatch", { scores: [1, 2, 3], labels: [0], classes: 2 }],
    ["InvalidArgument", { scores: [1, 2], labels: [2], classes: 2 }],
    ["InvalidArgument", { scores: [1, 2], labels: [0], classes: 2, ks: [0] }],
    ["NotFinite", { scores: [1, Number.NaN], labels: [0], classes: 2 }],
  ] as const)("refuses what makes no sense: %s", (code, input) => {
    expect(() => topKAccuracy(input)).toThrow(expect.toSatisfy((error) => isVillaError(error, code)));
  });
});

describe("auroc", () => {
  test("is the share of pairs in the right order", () => {
    const columns = fc.array(fc.tuple(fc.integer({ min: 0, max: 4 }), fc.constantFrom(-1, 0, 1)), { maxLength: 12 });
    fc.assert(
      fc.property(columns, (rows) => {
        const [value] = auroc({ scores: rows.map(([s]) => s), labels: rows.map(([, l]) => l), labelCount: 1 }).perLabel;
        const scoresOf = (label: number) => rows.filter(([, l]) => l === label).map(([s]) => s);
        const pairs = scoresOf(1).flatMap((p) => scoresOf(0).map((n) => (p > n ? 1 : p === n ? 0.5 : 0)));
        if (pairs.length === 0) expect(value).toBeNull();
        else expect(value!.auroc).toBeCloseTo(mean(pairs), 12);
      }),
    );
  });

  test("averages over the labels that can be told apart", () => {
    const { perLabel, macro } = auroc({ scores: [1, 1, 2, 2, 3, 3], labels: [0, 1, 1, 1, 0, 1], labelCount: 2 });
    expect(perLabel).toEqual([{ auroc: 0.5, positives: 1, negatives: 2 }, null]);
    expect(macro).toBe(0.5);
    expect(auroc({ scores: [], labels: [], labelCount: 2 }).macro).toBeNull();
  });

  test("refuses labels that are neither", () => {
    expect(() => auroc({ scores: [1], labels: [2], labelCount: 1 })).toThrow("not 0, 1 or -1");
  });
});

describe("balancedSample", () => {
  // Label a: examples 0, 1, 2; label b: 2, 3, 4.
  const labels = [1, 0, 1, 0, 1, 1, 0, 1, 0, 1];

  test("draws examples with one label only, the same for a seed", () => {
    const draw = (seed: number) => balancedSample({ labels, names: ["a", "b"], perLabel: 2, seed });
    expect(draw(1)).toEqual([
      { label: "a", examples: [0, 1] },
      { label: "b", examples: [3, 4] },
    ]);
    const shared = { labels, names: ["a", "b"], perLabel: 2, exclusive: false };
    const drawn = Array.from({ length: 20 }, (_, seed) => balancedSample({ ...shared, seed }));
    expect(drawn[7]).toEqual(balancedSample({ ...shared, seed: 7 }));
    expect(new Set(drawn.map((each) => JSON.stringify(each))).size).toBeGreaterThan(1);
  });

  test("says which label has too few", () => {
    expect(() => balancedSample({ labels, names: ["a", "b"], perLabel: 3, seed: 1 })).toThrow(
      'Only 2 examples have "a"',
    );
  });
});

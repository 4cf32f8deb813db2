import { checkArgument, VillaError } from "@villa/data";
import { checkCutOffs } from "../cut-offs.ts";

/** Scores of every class for every example, with the class that is right. */
export interface ClassScores {
  /** [n, c] row-major, finite; the higher, the likelier. */
  readonly scores: ArrayLike<number>;
  /** [n] index of the right class. */
  readonly labels: ArrayLike<number>;
  /** c, the number of classes. */
  readonly classes: number;
  /** Cut-offs of top-k. Default 1, 5. */
  readonly ks?: readonly number[] | undefined;
}

/** Top-k accuracy at one cut-off, as fractions. */
export interface AccuracyAt {
  readonly k: number;
  /** Mean over examples. */
  readonly accuracy: number;
  /** Mean over the classes that have examples, each class counting alike. */
  readonly meanPerClass: number;
}

/** Zero-shot classification of images or boxes. */
export interface TopKAccuracy {
  readonly at: readonly AccuracyAt[];
  /** For each class its examples and their top-k accuracy, in the order of the cut-offs; null where it has none. */
  readonly perClass: readonly ({ readonly examples: number; readonly accuracy: readonly number[] } | null)[];
  /** [n, ks] row-major: 1 for a hit, 0 for a miss, between them for a tie. What a bootstrap resamples. */
  readonly hits: Float64Array;
}

/**
 * Top-k accuracy: the share of examples whose right class is among the k highest scores.
 *
 * Ties: equal scores count as their expectation over all orders of the tied classes. Of t classes tied with the right one
 * behind a better ones, the right one is among the first k with probability (k − a) / t, cut to 0 … 1. So the result does
 * not depend on the order of the classes, and a model that scores everything alike gets k / c.
 *
 * @throws VillaError `Mismatch` for sizes that do not fit, `InvalidArgument` for a label that is not a class or a cut-off
 * below 1, `NotFinite` for a score of NaN or infinity
 * @see Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge, section 4.1 (top-5)
 */
export function topKAccuracy(input: ClassScores): TopKAccuracy {
  checkArgument("input", input, { scores: "numbers", labels: "numbers", classes: "count", "ks?": "numbers" });
  const { scores, labels, classes, ks = [1, 5] } = input;

  const examples = labels.length;
  checkScores(scores, examples, classes);
  checkCutOffs(ks);
  const hits = new Float64Array(examples * ks.length);
  const counts = new Float64Array(classes);
  const sums = new Float64Array(classes * ks.length);
  for (let i = 0; i < examples; i++) {
    const label = labels[i]!;
    if (!(Number.isInteger(label) && label >= 0 && label < classes)) {
      throw new VillaError("InvalidArgument", `The label of example ${i} is ${label}, not one of ${classes} classes.`);
    }
    const { above, tied } = rankOf(scores, i * classes, { classes, label });
    counts[label]!++;
    ks.forEach((k, j) => {
      const hit = Math.min(1, Math.max(0, (k - above) / tied));
      hits[i * ks.length + j] = hit;
      sums[label * ks.length + j]! += hit;
    });
  }
  const perClass = Array.from(counts, (count, c) =>
    count === 0 ? null : { examples: count, accuracy: ks.map((_, j) => sums[c * ks.length + j]! / count) },
  );
  const present = perClass.filter((each) => each !== null);
  const at = ks.map((k, j) => ({
    k,
    accuracy: mean(ks.length, hits, j),
    meanPerClass: present.reduce((sum, each) => sum + each.accuracy[j]!, 0) / (present.length || 1),
  }));
  return { at, perClass, hits };
}

/** How many classes score above the right one, and how many as high, itself included. */
function rankOf(scores: ArrayLike<number>, start: number, { classes, label }: { classes: number; label: number }) {
  const own = scores[start + label]!;
  let above = 0;
  let tied = 0;
  for (let c = 0; c < classes; c++) {
    const score = scores[start + c]!;
    if (score > own) above++;
    else if (score === own) tied++;
  }
  return { above, tied };
}

function mean(columns: number, values: Float64Array, column: number): number {
  let sum = 0;
  for (let i = column; i < values.length; i += columns) sum += values[i]!;
  return values.length === 0 ? 0 : sum / (values.length / columns);
}

/** Checks a matrix of scores, one row an example. */
export function checkScores(scores: ArrayLike<number>, examples: number, classes: number): void {
  if (!(Number.isInteger(classes) && classes > 0)) {
    throw new VillaError("InvalidArgument", `The number of classes must be a whole number above 0, not ${classes}.`);
  }
  if (scores.length !== examples * classes) {
    throw new VillaError(
      "Mismatch",
      `${examples} examples and ${classes} classes need ${examples * classes} scores, not ${scores.length}.`,
    );
  }
  for (let i = 0; i < scores.length; i++) {
    if (!Number.isFinite(scores[i]!)) {
      const [row, column] = [Math.floor(i / classes), i % classes];
      throw new VillaError(
        "NotFinite",
        `Example ${row} has the score ${scores[i]} for class ${column}; scores must be finite numbers.`,
      );
    }
  }
}

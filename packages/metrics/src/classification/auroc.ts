import { checkArgument, VillaError } from "@villa/data";
import { checkScores } from "./top-k.ts";

/** Scores of several labels, each of which an example may have or not. */
export interface LabelScores {
  /** [n, l] row-major, finite; the higher, the likelier. */
  readonly scores: ArrayLike<number>;
  /** [n, l] row-major: 1 has the label, 0 has it not, -1 not known: the pair is left out. */
  readonly labels: ArrayLike<number>;
  /** l, the number of labels. */
  readonly labelCount: number;
}

/** Area under the ROC curve of each label, and their mean. */
export interface LabelAuroc {
  /** For each label; null where all known examples are alike, so that there is nothing to tell apart. */
  readonly perLabel: readonly ({
    readonly auroc: number;
    readonly positives: number;
    readonly negatives: number;
  } | null)[];
  /** Mean over the labels that have a value; null when none has. */
  readonly macro: number | null;
}

/**
 * Area under the ROC curve of each label: the probability that a random positive scores above a random negative.
 *
 * AUROC = (R⁺ − p (p + 1) / 2) / (p n), where R⁺ adds up the ranks of the p positives among all p + n scores.
 *
 * Ties: equal scores share the mean of their ranks, so that a tied pair counts one half, as the trapezoids of the ROC curve
 * do (scikit-learn's `roc_auc_score`).
 *
 * @throws VillaError `Mismatch` for sizes that do not fit, `InvalidArgument` for a label other than -1, 0 or 1,
 * `NotFinite` for a score of NaN or infinity
 * @see Hanley and McNeil, The meaning and use of the area under a ROC curve, Radiology 1982
 */
export function auroc(input: LabelScores): LabelAuroc {
  checkArgument("input", input, { scores: "numbers", labels: "numbers", labelCount: "count" });
  const { scores, labels, labelCount } = input;

  const examples = labels.length / (labelCount || 1);
  if (!Number.isInteger(examples)) {
    throw new VillaError("Mismatch", `${labels.length} values of "labels" do not form rows of ${labelCount}.`);
  }
  checkScores(scores, examples, labelCount);
  const perLabel = Array.from({ length: labelCount }, (_, label) => {
    const positives: number[] = [];
    const negatives: number[] = [];
    for (let i = label; i < labels.length; i += labelCount) {
      const truth = labels[i]!;
      if (truth === 1) positives.push(scores[i]!);
      else if (truth === 0) negatives.push(scores[i]!);
      else if (truth !== -1) {
        const example = Math.floor(i / labelCount);
        throw new VillaError("InvalidArgument", `Label ${label} of example ${example} is ${truth}, not 0, 1 or -1.`);
      }
    }
    if (positives.length === 0 || negatives.length === 0) return null;
    const value = areaUnderRoc(Float64Array.from(positives), Float64Array.from(negatives));
    return { auroc: value, positives: positives.length, negatives: negatives.length };
  });
  const known = perLabel.filter((each) => each !== null);
  const macro = known.length === 0 ? null : known.reduce((sum, each) => sum + each.auroc, 0) / known.length;
  return { perLabel, macro };
}

/** Share of (positive, negative) pairs in the right order, ties counting one half. Sorts its arguments. */
function areaUnderRoc(positives: Float64Array, negatives: Float64Array): number {
  positives.sort();
  negatives.sort();
  let pairs = 0; // in halves
  let below = 0;
  let upTo = 0;
  for (const score of positives) {
    while (below < negatives.length && negatives[below]! < score) below++;
    while (upTo < negatives.length && negatives[upTo]! <= score) upTo++;
    pairs += below + upTo;
  }
  return pairs / 2 / (positives.length * negatives.length);
}

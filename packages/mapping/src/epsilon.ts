import { VillaError } from "@villa/data";
import { checkEpsilon, type Epsilon, epsilonOf, forEachImage } from "./assign.ts";
import { regionOffsets } from "./batches.ts";
import { type MappingCounts, type MappingMetrics, metricsFromCounts } from "./metrics.ts";
import type { AttributeScores } from "./scores.ts";

/** Scores of a split with the truth to judge them by. */
export interface ScoredSplit {
  readonly scores: readonly AttributeScores[];
  /** [N] regions of each image. */
  readonly counts: Int32Array;
  /** [R, A] 1 where the region truly has the attribute. */
  readonly truth: Uint8Array;
}

export interface EpsilonResult extends MappingMetrics {
  readonly epsilon: number;
}

/** Quality at each ε: the precision/recall trade-off, without scoring anything again. */
export function epsilonSweep(split: ScoredSplit, epsilons: readonly number[]): EpsilonResult[] {
  return epsilons.map((epsilon) => ({
    epsilon,
    ...metricsFromCounts(countAtEpsilon(split, epsilon).reduce(sum, { correct: 0, assigned: 0, truth: 0 })),
  }));
}

/** Counts of every attribute at ε. Regions of images that do not mention the attribute count as truth only. */
export function countAtEpsilon(split: ScoredSplit, epsilon: Epsilon): MappingCounts[] {
  checkEpsilon(epsilon, split.scores.length);
  const offsets = regionOffsets(split.counts);
  const attributes = split.scores.length;
  return split.scores.map((scores, attribute) => {
    const counts = { correct: 0, assigned: 0, truth: trueRegions(split.truth, attributes, attribute) };
    forEachImage(scores, offsets, (image, values) => {
      const threshold =
        values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY) - epsilonOf(epsilon, attribute);
      for (let r = 0; r < values.length; r++) {
        if (!(values[r]! > threshold)) continue;
        counts.assigned++;
        counts.correct += split.truth[(offsets[image]! + r) * attributes + attribute]!;
      }
    });
    return counts;
  });
}

/**
 * The ε with the best F1 over all possible values: only the gaps best − score matter, so sorting them once and walking
 * along gives the exact optimum.
 *
 * @throws VillaError InvalidArgument when no region of the split has a true attribute
 */
export function chooseEpsilon(split: ScoredSplit): EpsilonResult {
  return bestEpsilon(
    split,
    split.scores.map((_, attribute) => attribute),
  );
}

/** The best ε of each attribute on its own; attributes without truth get `fallback`. */
export function chooseEpsilonPerAttribute(split: ScoredSplit, fallback: number): number[] {
  return split.scores.map((_, attribute) =>
    trueRegions(split.truth, split.scores.length, attribute) === 0 ? fallback : bestEpsilon(split, [attribute]).epsilon,
  );
}

function bestEpsilon(split: ScoredSplit, chosen: readonly number[]): EpsilonResult {
  const attributes = split.scores.length;
  const offsets = regionOffsets(split.counts);
  const pairs: { gap: number; correct: number }[] = [];
  let truth = 0;
  for (const attribute of chosen) {
    truth += trueRegions(split.truth, attributes, attribute);
    forEachImage(split.scores[attribute]!, offsets, (image, values) => {
      const best = values.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
      values.forEach((value, r) => {
        pairs.push({ gap: best - value, correct: split.truth[(offsets[image]! + r) * attributes + attribute]! });
      });
    });
  }
  if (truth === 0) {
    throw new VillaError(
      "InvalidArgument",
      "epsilon cannot be chosen automatically: no region of this split has a true attribute; give epsilon=0.2 instead.",
    );
  }
  pairs.sort((a, b) => a.gap - b.gap);

  let correct = 0;
  let best = { f1: -1, epsilon: 0.2, counts: { correct: 0, assigned: 0, truth } };
  pairs.forEach(({ gap, correct: isCorrect }, i) => {
    correct += isCorrect;
    const next = pairs[i + 1]?.gap ?? gap + 0.02;
    if (next <= gap) return; // equal gaps are assigned together
    const f1 = (2 * correct) / (i + 1 + truth);
    // Half-way to the next gap: the choice that keeps clear of both.
    const epsilon = Math.min(2, (gap + next) / 2);
    if (f1 > best.f1 && epsilon > gap) best = { f1, epsilon, counts: { correct, assigned: i + 1, truth } };
  });
  return { epsilon: best.epsilon, ...metricsFromCounts(best.counts) };
}

function trueRegions(truth: Uint8Array, attributes: number, attribute: number): number {
  let count = 0;
  for (let i = attribute; i < truth.length; i += attributes) count += truth[i]!;
  return count;
}

const sum = (a: MappingCounts, b: MappingCounts): MappingCounts => ({
  correct: a.correct + b.correct,
  assigned: a.assigned + b.assigned,
  truth: a.truth + b.truth,
});

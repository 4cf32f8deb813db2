import { checkArgument, VillaError } from "@villa/data";
import { addCounts, type MappingCounts, type MappingMetrics, metricsFromCounts, noCounts } from "@villa/metrics";
import { defaultEpsilon } from "../config.ts";
import { regionOffsets } from "../data/batches.ts";
import type { AttributeScores } from "../model/scores.ts";
import { checkEpsilon, type Epsilon, epsilonOf, forEachImage, largest, regionsWithin } from "./assign.ts";

/** Scores of a split with the truth to judge them by. */
export interface ScoredSplit {
  readonly scores: readonly AttributeScores[];
  /** [N] regions of each image. */
  readonly counts: Int32Array;
  /** [R, A] 1 where the region truly has the attribute. */
  readonly truth: Uint8Array;
  /** Attributes that `truth` does not cover: they are left out of every count and choice. */
  readonly withoutTruth?: readonly number[] | undefined;
}

export interface EpsilonResult extends MappingMetrics {
  readonly epsilon: number;
}

/** Quality at each ε: the precision/recall trade-off, without scoring anything again. */
export function epsilonSweep(split: ScoredSplit, epsilons: readonly number[]): EpsilonResult[] {
  checkArgument("split", split, { scores: ["object"], counts: "numbers", truth: "bytes" });
  checkArgument("epsilons", epsilons, "numbers");

  return epsilons.map((epsilon) => ({
    epsilon,
    ...metricsFromCounts(countAtEpsilon(split, epsilon).reduce(addCounts, noCounts)),
  }));
}

/**
 * Counts of every attribute at ε, none for attributes that truth does not cover. Regions of images that do not mention the
 * attribute count as truth only.
 */
export function countAtEpsilon(split: ScoredSplit, epsilon: Epsilon): MappingCounts[] {
  checkEpsilon(epsilon, split.scores.length);
  const offsets = regionOffsets(split.counts);
  const attributes = split.scores.length;
  const uncovered = new Set(split.withoutTruth);
  return split.scores.map((scores, attribute) => {
    if (uncovered.has(attribute)) return noCounts;
    const counts = { correct: 0, assigned: 0, truth: trueRegions(split.truth, attributes, attribute) };
    forEachImage(scores, offsets, (image, values) => {
      for (const r of regionsWithin(values, epsilonOf(epsilon, attribute))) {
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
 * @throws VillaError `InvalidArgument` when no region of the split has a true attribute
 */
export function chooseEpsilon(split: ScoredSplit): EpsilonResult {
  checkArgument("split", split, { scores: ["object"], counts: "numbers", truth: "bytes" });

  const truth = split.truth.reduce((sum, value) => sum + value, 0);
  if (truth === 0) {
    throw new VillaError(
      "InvalidArgument",
      `epsilon cannot be chosen automatically: no region of this split has a true attribute; give epsilon=${defaultEpsilon} instead.`,
    );
  }
  const choices = choicesOf(split.scores.flatMap((_, attribute) => gapsOf(split, attribute)));
  const f1 = ({ correct, assigned }: Choice) => (2 * correct) / (assigned + truth);
  // Where no image mentions anything there is nothing to choose from.
  const [first = { epsilon: defaultEpsilon, correct: 0, assigned: 0 }] = choices;
  const best = choices.reduce((best, each) => (f1(each) > f1(best) ? each : best), first);
  return { epsilon: best.epsilon, ...metricsFromCounts({ ...best, truth }) };
}

/**
 * An ε for each attribute, such that F1 over all of them is the best possible. Attributes without truth get `fallback` and
 * do not count.
 *
 * F1 = 2 Σ correct / Σ (assigned + truth) is a ratio of sums over attributes. It exceeds F exactly where
 * Σ (2 correct − F assigned − F truth) > 0, which every attribute maximises by itself; F rises to the optimum in a few
 * rounds (Dinkelbach's method).
 */
export function chooseEpsilonPerAttribute(split: ScoredSplit, fallback: number): number[] {
  checkArgument("split", split, { scores: ["object"], counts: "numbers", truth: "bytes" });
  checkArgument("fallback", fallback, "number");

  const attributes = split.scores.length;
  const candidates = split.scores.map((_, attribute) => {
    const truth = trueRegions(split.truth, attributes, attribute);
    return { truth, choices: truth === 0 ? [] : choicesOf(gapsOf(split, attribute)) };
  });
  const truth = candidates.reduce((sum, each) => sum + each.truth, 0);
  for (let f1 = 0; ; ) {
    const worth = ({ correct, assigned }: Choice) => 2 * correct - f1 * assigned;
    const chosen = candidates.map(({ choices }) =>
      choices.reduce<Choice | undefined>((best, each) => (best && worth(best) >= worth(each) ? best : each), undefined),
    );
    const [correct, assigned] = chosen.reduce(
      ([c, n], each) => [c + (each?.correct ?? 0), n + (each?.assigned ?? 0)],
      [0, 0],
    );
    const reached = truth === 0 ? 0 : (2 * correct) / (assigned + truth);
    if (reached <= f1) return chosen.map((each) => each?.epsilon ?? fallback);
    f1 = reached;
  }
}

/** How far a region's score is below the image's best for an attribute, and whether the region truly has it. */
interface Gap {
  readonly gap: number;
  readonly correct: number;
}

function gapsOf(split: ScoredSplit, attribute: number): Gap[] {
  if (split.withoutTruth?.includes(attribute)) return [];
  const attributes = split.scores.length;
  const offsets = regionOffsets(split.counts);
  const gaps: Gap[] = [];
  forEachImage(split.scores[attribute]!, offsets, (image, values) => {
    const best = largest(values);
    values.forEach((value, r) => {
      gaps.push({ gap: best - value, correct: split.truth[(offsets[image]! + r) * attributes + attribute]! });
    });
  });
  return gaps;
}

/** A value of ε and what it assigns. */
interface Choice {
  readonly epsilon: number;
  readonly correct: number;
  readonly assigned: number;
}

/** Every choice that ε has among some gaps, by rising ε; each is half-way between two gaps, to keep clear of both. */
function choicesOf(gaps: Gap[]): Choice[] {
  gaps.sort((a, b) => a.gap - b.gap);
  const choices: Choice[] = [];
  let correct = 0;
  gaps.forEach(({ gap, correct: isCorrect }, i) => {
    correct += isCorrect;
    const next = gaps[i + 1]?.gap ?? gap + 0.02;
    const epsilon = Math.min(2, (gap + next) / 2);
    // Equal gaps are assigned together, and no ε reaches a gap of 2.
    if (next > gap && epsilon > gap) choices.push({ epsilon, correct, assigned: i + 1 });
  });
  return choices;
}

function trueRegions(truth: Uint8Array, attributes: number, attribute: number): number {
  let count = 0;
  for (let i = attribute; i < truth.length; i += attributes) count += truth[i]!;
  return count;
}

import { checkArgument, VillaError } from "@villa/data";
import type { SampleNumbers } from "./bootstrap.ts";

/** Values behind a mean: each of one item, of which a bootstrap draws. */
export interface Observations {
  /** [n] the item, such as the image, that each value is of. */
  readonly item: ArrayLike<number>;
  /** [n] NaN is left out. */
  readonly value: ArrayLike<number>;
  /** [n] classes that count alike: the number is the mean of their means, over the classes that a sample has. */
  readonly stratum?: ArrayLike<number> | undefined;
}

/** How rows are ranked: area under the ROC curve, or hits among the first R (as many as are right) or the first k. */
export type RankingMeasure =
  | { readonly kind: "auroc" | "r-precision" }
  | { readonly kind: "precision" | "recall"; readonly k: number };

/** Scores behind rankings: rows of items, a column for each label. A number is the mean over the columns that have one. */
export interface RankedScores {
  /** Numbers by their names. */
  readonly measures: Readonly<Record<string, RankingMeasure>>;
  /** [n] the item that each row is of. */
  readonly item: ArrayLike<number>;
  /** l */
  readonly labelCount: number;
  /** [n, l] row-major, finite. */
  readonly scores: ArrayLike<number>;
  /** [n, l] row-major: 1 right, 0 wrong, -1 unknown. */
  readonly labels: ArrayLike<number>;
}

/** What named numbers are computed from, so that they can be computed again on any sample of the items. */
export interface Evidence {
  readonly items: number;
  readonly means: Readonly<Record<string, Observations>>;
  readonly rankings?: readonly RankedScores[] | undefined;
}

/**
 * The numbers of samples of the items: what `bootstrap` and `pairedBootstrap` repeat.
 *
 * Ties: as in `auroc` (a tied pair counts one half) and `retrievalMetrics` (the expectation over all orders). Rankings are
 * sorted once; a sample then costs a pass over the scores.
 *
 * @returns for a sample of items with repetitions its numbers, NaN where it has none
 * @throws VillaError `Mismatch` for columns of different lengths or an index of no item
 */
export function sampleMeasure(evidence: Evidence): (sample: ArrayLike<number>) => SampleNumbers {
  checkArgument("evidence", evidence, { items: "count", means: "object", "rankings?": ["object"] });

  const { items, means, rankings = [] } = evidence;
  for (const [name, { item, value, stratum = value }] of Object.entries(means)) {
    if (item.length !== value.length || stratum.length !== value.length) throw unequal(name);
    checkItems(item, { items, name });
  }
  const ranked = rankings.map((ranking) => {
    const name = Object.keys(ranking.measures).join(", ");
    const size = ranking.item.length * ranking.labelCount;
    if (ranking.scores.length !== size || ranking.labels.length !== size) throw unequal(name);
    checkItems(ranking.item, { items, name });
    return { ranking, orders: columnOrders(ranking) };
  });
  return (sample) => {
    const weights = new Float64Array(items);
    for (let i = 0; i < sample.length; i++) weights[sample[i]!]!++;
    const numbers: Record<string, number> = {};
    for (const [name, observations] of Object.entries(means)) numbers[name] = weightedMean(observations, weights);
    for (const { ranking, orders } of ranked) {
      const columns = orders.map((order, label) => tiedGroups(ranking, { label, order, weights }));
      for (const [name, measure] of Object.entries(ranking.measures)) {
        const known = columns.map((groups) => rankingNumber(groups, measure)).filter((value) => !Number.isNaN(value));
        numbers[name] = known.reduce((sum, value) => sum + value, 0) / known.length;
      }
    }
    return numbers;
  };
}

function weightedMean({ item, value, stratum }: Observations, weights: Float64Array): number {
  const sums = new Map<number, { sum: number; count: number }>();
  for (let i = 0; i < value.length; i++) {
    const weight = weights[item[i]!]!;
    if (weight === 0 || Number.isNaN(value[i]!)) continue;
    const key = stratum ? stratum[i]! : 0;
    const known = sums.get(key) ?? { sum: 0, count: 0 };
    known.sum += weight * value[i]!;
    known.count += weight;
    sums.set(key, known);
  }
  let total = 0;
  for (const { sum, count } of sums.values()) total += sum / count;
  return total / sums.size;
}

/** For each label the rows by descending score. */
function columnOrders({ item, labelCount, scores }: RankedScores): Uint32Array[] {
  return Array.from({ length: labelCount }, (_, label) =>
    Uint32Array.from({ length: item.length }, (_row, i) => i).sort(
      (a, b) => scores[b * labelCount + label]! - scores[a * labelCount + label]!,
    ),
  );
}

interface Column {
  readonly label: number;
  readonly order: Uint32Array;
  /** [items] how often each item counts. */
  readonly weights: Float64Array;
}

/** A measure of one column; NaN where no row is right, or all are. */
function rankingNumber(groups: readonly TiedGroup[], measure: RankingMeasure): number {
  const right = groups.reduce((sum, group) => sum + group.right, 0);
  const wrong = groups.reduce((sum, group) => sum + group.wrong, 0);
  if (right === 0) return Number.NaN;
  switch (measure.kind) {
    case "r-precision":
      return hitsAmong(groups, right) / right;
    case "precision":
      return hitsAmong(groups, measure.k) / measure.k;
    case "recall":
      return hitsAmong(groups, measure.k) / right;
    case "auroc":
      return wrong === 0 ? Number.NaN : orderedPairs(groups, wrong) / (right * wrong);
  }
}

/** Pairs of a right and a wrong row in the right order; tied ones count one half. */
function orderedPairs(groups: readonly TiedGroup[], wrong: number): number {
  let pairs = 0;
  let wrongBelow = wrong;
  for (const group of groups) {
    wrongBelow -= group.wrong;
    pairs += group.right * (wrongBelow + group.wrong / 2);
  }
  return pairs;
}

interface TiedGroup {
  right: number;
  wrong: number;
}

/** Weights of right and wrong rows of each score, from the highest. */
function tiedGroups(
  { item, labelCount, scores, labels }: RankedScores,
  { label, order, weights }: Column,
): TiedGroup[] {
  const groups: TiedGroup[] = [];
  let last = Number.NaN;
  for (const row of order) {
    const [weight, truth] = [weights[item[row]!]!, labels[row * labelCount + label]!];
    if (weight === 0 || truth < 0) continue;
    const score = scores[row * labelCount + label]!;
    if (score !== last) groups.push({ right: 0, wrong: 0 });
    last = score;
    groups.at(-1)![truth === 1 ? "right" : "wrong"] += weight;
  }
  return groups;
}

/** Right rows to expect among the first k. */
function hitsAmong(groups: readonly TiedGroup[], k: number): number {
  let left = k;
  let hits = 0;
  for (const { right, wrong } of groups) {
    const taken = Math.min(left, right + wrong);
    hits += (right * taken) / (right + wrong);
    left -= taken;
    if (left === 0) break;
  }
  return hits;
}

function unequal(name: string): VillaError {
  return new VillaError("Mismatch", `The columns behind "${name}" have different lengths.`);
}

function checkItems(item: ArrayLike<number>, { items, name }: { readonly items: number; readonly name: string }): void {
  for (let i = 0; i < item.length; i++) {
    const place = item[i]!;
    if (!(Number.isInteger(place) && place >= 0 && place < items)) {
      throw new VillaError("Mismatch", `Value ${i} of "${name}" is of item ${place}; there are ${items} items.`);
    }
  }
}

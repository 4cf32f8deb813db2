import { checkArgument } from "@villa/data";
import { addCounts, type MappingCounts, type MappingMetrics, metricsFromCounts, noCounts } from "@villa/metrics";
import { regionOffsets } from "../data/batches.ts";
import type { Epsilon } from "./assign.ts";
import { countAtEpsilon, type EpsilonResult, epsilonSweep, type ScoredSplit } from "./epsilon.ts";

/** How well one attribute is mapped. */
export interface AttributeReport extends MappingMetrics, MappingCounts {
  readonly attribute: string;
}

/** Everything a report of a mapped split shows. */
export interface MappingReport extends MappingMetrics {
  /** Those that truth covers. */
  readonly attributes: readonly AttributeReport[];
  /** Quality at other values of ε. */
  readonly sweep: readonly EpsilonResult[];
  /**
   * [assigned attribute][true attribute]: how many regions that were given one truly have the other; a confusion matrix
   * within groups of attributes that exclude each other. Absent for more than 200 attributes.
   */
  readonly confusion?: readonly (readonly number[])[] | undefined;
  /** Attributes that truth does not cover: no figure counts them. */
  readonly withoutTruth?: readonly string[] | undefined;
}

const mostAttributesOfConfusion = 200;

/**
 * Judges an assignment.
 *
 * @param assigned image → region → attribute indices, made with `epsilon`
 * @param options `attributes`: their names; `sweep`: values of ε whose measures are told too
 */
export function mappingReport(
  split: ScoredSplit,
  assigned: readonly (readonly (readonly number[])[])[],
  options: { readonly attributes: readonly string[]; readonly epsilon: Epsilon; readonly sweep: readonly number[] },
): MappingReport {
  checkArgument("split", split, { scores: ["object"], counts: "numbers", truth: "bytes" });
  checkArgument("assigned", assigned, [["numbers"]]);
  checkArgument("options", options, { attributes: ["text"], epsilon: "number | numbers", sweep: "numbers" });

  const { attributes } = options;
  const counts = countAtEpsilon(split, options.epsilon);
  const uncovered = new Set(split.withoutTruth);
  const judged = attributes.flatMap((_, a) => (uncovered.has(a) ? [] : [a]));
  return {
    ...metricsFromCounts(counts.reduce(addCounts, noCounts)),
    attributes: judged.map((a) => ({ attribute: attributes[a]!, ...counts[a]!, ...metricsFromCounts(counts[a]!) })),
    sweep: epsilonSweep(split, options.sweep),
    confusion: judged.length <= mostAttributesOfConfusion ? confusionOf(split, assigned, judged) : undefined,
    withoutTruth: uncovered.size > 0 ? attributes.filter((_, a) => uncovered.has(a)) : undefined,
  };
}

function confusionOf(
  { truth, counts, scores }: ScoredSplit,
  assigned: readonly (readonly (readonly number[])[])[],
  judged: readonly number[],
): number[][] {
  const confusion = judged.map(() => new Array<number>(judged.length).fill(0));
  const place = new Map(judged.map((attribute, i) => [attribute, i]));
  const offsets = regionOffsets(counts);
  assigned.forEach((regions, image) => {
    regions.forEach((given, region) => {
      const row = (offsets[image]! + region) * scores.length;
      for (const a of given) {
        const counted = confusion[place.get(a)!];
        if (!counted) continue;
        judged.forEach((b, i) => {
          counted[i]! += truth[row + b]!;
        });
      }
    });
  });
  return confusion;
}

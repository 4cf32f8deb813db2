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
  readonly attributes: readonly AttributeReport[];
  /** Quality at other values of ε. */
  readonly sweep: readonly EpsilonResult[];
  /**
   * [assigned attribute][true attribute]: how many regions that were given one truly have the other; a confusion matrix
   * within groups of attributes that exclude each other. Absent for more than 200 attributes.
   */
  readonly confusion?: readonly (readonly number[])[] | undefined;
}

const mostAttributesOfConfusion = 200;

/** Judges an assignment. @param assigned image → region → attribute indices, made with `epsilon` */
export function mappingReport(
  split: ScoredSplit,
  assigned: readonly (readonly (readonly number[])[])[],
  attributes: readonly string[],
  options: { readonly epsilon: Epsilon; readonly sweep: readonly number[] },
): MappingReport {
  const counts = countAtEpsilon(split, options.epsilon);
  return {
    ...metricsFromCounts(counts.reduce(addCounts, noCounts)),
    attributes: counts.map((count, a) => ({ attribute: attributes[a]!, ...count, ...metricsFromCounts(count) })),
    sweep: epsilonSweep(split, options.sweep),
    confusion:
      attributes.length <= mostAttributesOfConfusion ? confusionOf(split, assigned, attributes.length) : undefined,
  };
}

function confusionOf(
  { truth, counts }: ScoredSplit,
  assigned: readonly (readonly (readonly number[])[])[],
  attributes: number,
): number[][] {
  const confusion = Array.from({ length: attributes }, () => new Array<number>(attributes).fill(0));
  const offsets = regionOffsets(counts);
  assigned.forEach((regions, image) => {
    regions.forEach((given, region) => {
      const row = (offsets[image]! + region) * attributes;
      for (const a of given) for (let b = 0; b < attributes; b++) confusion[a]![b]! += truth[row + b]!;
    });
  });
  return confusion;
}

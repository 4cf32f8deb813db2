import { checkArgument } from "@villa/data";
/** Counts behind micro-averaged precision and recall; they add up over attributes, images and shards. */
export interface MappingCounts {
  /** (region, attribute) pairs assigned and true. */
  readonly correct: number;
  /** Pairs assigned. */
  readonly assigned: number;
  /** Pairs true. */
  readonly truth: number;
}

/** Micro-averaged mapping quality, as fractions: 0 … 1. */
export interface MappingMetrics {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
}

/** Precision, recall and F1 of an assignment against the true attributes of each region (paper §4.2). */
export function mappingMetrics<Attribute extends string | number>(
  assigned: readonly (readonly (readonly Attribute[])[])[],
  truth: readonly (readonly (readonly Attribute[])[])[],
): MappingMetrics {
  checkArgument("assigned", assigned, [[["text | number"]]]);
  checkArgument("truth", truth, [[["text | number"]]]);

  return metricsFromCounts(countMapping(assigned, truth));
}

/** The counts behind {@link mappingMetrics}. Both arguments: image → region → attributes, by name or by index. */
export function countMapping<Attribute extends string | number>(
  assigned: readonly (readonly (readonly Attribute[])[])[],
  truth: readonly (readonly (readonly Attribute[])[])[],
): MappingCounts {
  checkArgument("assigned", assigned, [[["text | number"]]]);
  checkArgument("truth", truth, [[["text | number"]]]);

  const counts = { correct: 0, assigned: 0, truth: 0 };
  truth.forEach((regions, image) => {
    regions.forEach((attributes, region) => {
      const given = assigned[image]?.[region] ?? [];
      counts.assigned += given.length;
      counts.truth += attributes.length;
      for (const attribute of given) if (attributes.includes(attribute)) counts.correct++;
    });
  });
  return counts;
}

/** Nothing assigned, or nothing true, counts as 0 rather than NaN. */
export function metricsFromCounts(counts: MappingCounts): MappingMetrics {
  checkArgument("counts", counts, { correct: "number", assigned: "number", truth: "number" });
  const { correct, assigned, truth } = counts;
  return {
    precision: assigned === 0 ? 0 : correct / assigned,
    recall: truth === 0 ? 0 : correct / truth,
    f1: correct === 0 ? 0 : (2 * correct) / (assigned + truth),
  };
}

/** Counts of two sets of pairs together. */
export function addCounts(a: MappingCounts, b: MappingCounts): MappingCounts {
  checkArgument("a", a, { correct: "number", assigned: "number", truth: "number" });
  checkArgument("b", b, { correct: "number", assigned: "number", truth: "number" });

  return {
    correct: a.correct + b.correct,
    assigned: a.assigned + b.assigned,
    truth: a.truth + b.truth,
  };
}

/** No pairs at all: where adding up begins. */
export const noCounts: MappingCounts = { correct: 0, assigned: 0, truth: 0 };

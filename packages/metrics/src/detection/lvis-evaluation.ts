import { checkArgument, VillaError } from "@villa/data";
import {
  type DetectionEvaluation,
  type DetectionInput,
  evaluateMatches,
  iouThresholds,
  precisionMeasures,
  readInput,
} from "./evaluation.ts";
import { type Federation, readFederation } from "./federation.ts";
import { matchObjects } from "./match.ts";
import type { Detections } from "./read-detections.ts";
import type { Truth } from "./read-truth.ts";
import { indicesBelow, sortByKey, sortByScore } from "./sort-objects.ts";
import { averageRecall, type Measures, meanNumbers, type Numbers, record } from "./summary.ts";

const categoryNumberNames = ["AP", "AP50", "AP75", "APs", "APm", "APl", "AR300", "ARs300", "ARm300", "ARl300"] as const;

/** The name of one of LVIS's numbers that each category has. */
export type LvisCategoryNumberName = (typeof categoryNumberNames)[number];

/** The name of one of LVIS's thirteen numbers. */
export type LvisNumberName = LvisCategoryNumberName | "APr" | "APc" | "APf";

/** LVIS's thirteen numbers, in the order in which lvis-api prints them (its `AR@300` is `AR300` here). */
export const lvisNumberNames: readonly LvisNumberName[] = [
  ...categoryNumberNames.slice(0, 6),
  "APr",
  "APc",
  "APf",
  ...categoryNumberNames.slice(6),
];

/** LVIS's numbers as fractions; -1 where there is nothing to find. */
export type LvisNumbers = Numbers<LvisNumberName>;

/** What {@link lvisEvaluation} compares. */
export interface LvisOptions extends DetectionInput {
  /** Detections looked at for each image, of all categories together. Default 300. */
  readonly maxDetections?: number | undefined;
}

/** LVIS's numbers, overall and by category, and where they come from. */
export type LvisEvaluation = DetectionEvaluation<LvisCategoryNumberName, LvisNumberName>;

/**
 * Average precision of detections as LVIS defines it for its federated annotations, equal to lvis-api's `LVISEval`.
 *
 * A category is judged only in images where it is annotated or known to be absent (`neg_category_ids`); where not every
 * object is annotated (`not_exhaustive_category_ids`), a detection that finds none is not wrong. Of each image the 300
 * detections with the highest scores count. APr, APc and APf are over rare, common and frequent categories.
 *
 * Ties are decided as by `cocoEvaluation`, among the 300 by the order of the list. Objects and detections without area are
 * left out, as lvis-api does.
 *
 * @throws VillaError as `cocoEvaluation` does, and `InvalidFile` for a truth without LVIS's lists and frequencies
 * @see Gupta et al., LVIS, CVPR 2019, section 3
 */
export function lvisEvaluation(options: LvisOptions): LvisEvaluation {
  checkArgument("options", options, {
    "maxDetections?": "number",
    "iouType?": "'bbox' | 'segm'",
    "unknownCategories?": "'refuse' | 'ignore'",
  });

  const { maxDetections = 300 } = options;
  if (!(Number.isInteger(maxDetections) && maxDetections > 0)) {
    throw new VillaError(
      "InvalidArgument",
      `The limit of detections must be a whole number above 0, not ${maxDetections}.`,
    );
  }
  const { truth, detections } = readInput(options);
  const federation = readFederation(options.truth, truth);
  const detectionOrder = judgedDetections(detections, { truth, federation, maxDetections });
  // The limit is one for all categories of an image together: within a category there is none.
  const limits = [Number.POSITIVE_INFINITY];
  const matches = matchObjects({
    truth: { ...truth, crowd: new Uint8Array(truth.count) },
    detections,
    truthOrder: indicesBelow(truth.count).filter((g) => truth.area[g]! > 0),
    detectionOrder,
    ignored: truth.ignore,
    forgiven: Uint8Array.from(detections.image, (image, d) =>
      federation.notExhaustive[image]!.has(detections.category[d]!) ? 1 : 0,
    ),
    thresholds: iouThresholds,
    maxDetections: Number.POSITIVE_INFINITY,
    classAgnostic: false,
  });
  const among = (rows: readonly Numbers<LvisCategoryNumberName>[], frequency: "r" | "c" | "f"): number =>
    meanNumbers(
      rows.filter((_, k) => federation.frequencies[k] === frequency),
      ["AP"],
    ).AP;
  return evaluateMatches({
    truth,
    detections,
    matches,
    limits,
    measures: lvisMeasures(limits),
    mean: (rows) => {
      const numbers: LvisNumbers = {
        ...meanNumbers(rows, categoryNumberNames),
        APr: among(rows, "r"),
        APc: among(rows, "c"),
        APf: among(rows, "f"),
      };
      return record(lvisNumberNames, (name) => numbers[name]); // in their order
    },
  });
}

interface Judging {
  readonly truth: Truth;
  readonly federation: Federation;
  readonly maxDetections: number;
}

/** The best detections of each image, of those that something is known about. */
function judgedDetections(detections: Detections, { truth, federation, maxDetections }: Judging): Int32Array {
  const images = truth.imageIds.length;
  const annotated = truth.imageIds.map(() => new Set<number>());
  for (let g = 0; g < truth.count; g++) {
    if (truth.area[g]! > 0) annotated[truth.image[g]!]!.add(truth.category[g]!);
  }
  const sorted = sortByScore(indicesBelow(detections.count), detections.score);
  const kept = new Uint8Array(detections.count);
  const seen = new Int32Array(images);
  for (const d of sortByKey(sorted, detections.image, images)) {
    const image = detections.image[d]!;
    if (seen[image]!++ >= maxDetections) continue;
    const category = detections.category[d]!;
    const known = annotated[image]!.has(category) || federation.absent[image]!.has(category);
    if (known && detections.area[d]! > 0) kept[d] = 1;
  }
  return indicesBelow(detections.count).filter((d) => kept[d] === 1);
}

function lvisMeasures(limits: readonly number[]): Measures<LvisCategoryNumberName> {
  const curves = { thresholds: iouThresholds, limits };
  return {
    ...precisionMeasures(curves),
    AR300: averageRecall(curves),
    ARs300: averageRecall({ ...curves, area: "small" }),
    ARm300: averageRecall({ ...curves, area: "medium" }),
    ARl300: averageRecall({ ...curves, area: "large" }),
  };
}

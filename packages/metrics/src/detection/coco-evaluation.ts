import { checkArgument, VillaError } from "@villa/data";
import {
  type DetectionEvaluation,
  type DetectionInput,
  evaluateMatches,
  iouThresholds,
  precisionMeasures,
  readInput,
} from "./evaluation.ts";
import { matchObjects } from "./match.ts";
import { indicesBelow, sortByKey } from "./sort-objects.ts";
import { averageRecall, type Measures, meanNumbers, type Numbers } from "./summary.ts";

/** COCO's twelve numbers, in the order in which pycocotools prints them. */
export const cocoNumberNames = [
  "AP",
  "AP50",
  "AP75",
  "APs",
  "APm",
  "APl",
  "AR1",
  "AR10",
  "AR100",
  "ARs",
  "ARm",
  "ARl",
] as const;

/** The name of one of COCO's twelve numbers. */
export type CocoNumberName = (typeof cocoNumberNames)[number];

/** COCO's twelve numbers as fractions; -1 where there is nothing to find. */
export type CocoNumbers = Numbers<CocoNumberName>;

/** What {@link cocoEvaluation} compares, and how. */
export interface CocoOptions extends DetectionInput {
  /** Overlaps at which a detection finds an object. Default 0.5, 0.55, … 0.95. */
  readonly thresholds?: readonly number[] | undefined;
  /** Detections looked at for each image and category; AR1, AR10 and AR100 are at these. Default 1, 10, 100. */
  readonly maxDetections?: readonly [number, number, number] | undefined;
  /** Compare without looking at categories, as for proposals. Default false. */
  readonly classAgnostic?: boolean | undefined;
}

/** COCO's numbers, overall and by category, and where they come from. */
export type CocoEvaluation = DetectionEvaluation<CocoNumberName, CocoNumberName>;

/**
 * Average precision and recall of detections as COCO defines them, equal to pycocotools' `COCOeval`.
 *
 * AP is the mean over categories and thresholds of the precision at 101 recall levels, each the highest precision at that
 * recall or above; AR the mean recall with at most so many detections for each image and category. Crowds and objects of
 * another size are neither right nor wrong to find.
 *
 * Ties: detections of equal score stand in the order of their images' ids, then of the list. Overlaps equal to a threshold
 * are enough; of objects that a detection overlaps equally it finds the last of the file.
 *
 * Where `maxDetections` is not the default, AP is at the last of it; pycocotools then answers -1 for AP itself.
 *
 * @throws VillaError `InvalidFile` for data that are not of the format, `Mismatch` for ids that are unknown or given
 * twice, `NotFinite` for a score of NaN or infinity, `InvalidArgument` for thresholds or limits that make no sense
 * @see Lin et al., Microsoft COCO, ECCV 2014, and https://cocodataset.org/#detection-eval
 */
export function cocoEvaluation(options: CocoOptions): CocoEvaluation {
  checkArgument("options", options, {
    "thresholds?": "numbers",
    "maxDetections?": "numbers",
    "classAgnostic?": "boolean",
    "iouType?": "'bbox' | 'segm'",
    "unknownCategories?": "'refuse' | 'ignore'",
  });

  const { thresholds = iouThresholds, maxDetections = [1, 10, 100], classAgnostic = false } = options;
  checkThresholds(thresholds);
  checkLimits(maxDetections);
  const { truth, detections } = readInput(options);
  const matches = matchObjects({
    truth,
    detections,
    ...inputOrders({ truth, detections, classAgnostic }),
    // COCO overrides an annotation's own "ignore" with "iscrowd".
    ignored: truth.crowd,
    thresholds,
    maxDetections: maxDetections[2],
    classAgnostic,
  });
  return evaluateMatches({
    truth,
    detections,
    matches,
    limits: maxDetections,
    measures: cocoMeasures(thresholds, maxDetections),
    mean: (rows) => meanNumbers(rows, cocoNumberNames),
  });
}

interface OrderInput {
  readonly truth: { readonly count: number; readonly category: Int32Array; readonly categories: readonly unknown[] };
  readonly detections: { readonly count: number; readonly category: Int32Array };
  readonly classAgnostic: boolean;
}

/** The order of input; where categories do not matter, objects of an image still stand by category, as in pycocotools. */
function inputOrders({ truth, detections, classAgnostic }: OrderInput) {
  const known = indicesBelow(detections.count).filter((d) => detections.category[d]! >= 0);
  const every = indicesBelow(truth.count);
  const categories = truth.categories.length;
  return {
    truthOrder: classAgnostic ? sortByKey(every, truth.category, categories) : every,
    detectionOrder: classAgnostic ? sortByKey(known, detections.category, categories) : known,
  };
}

function cocoMeasures(
  thresholds: readonly number[],
  limits: readonly [number, number, number],
): Measures<CocoNumberName> {
  const curves = { thresholds, limits };
  return {
    ...precisionMeasures(curves),
    AR1: averageRecall({ ...curves, limit: 0 }),
    AR10: averageRecall({ ...curves, limit: 1 }),
    AR100: averageRecall({ ...curves, limit: 2 }),
    ARs: averageRecall({ ...curves, area: "small" }),
    ARm: averageRecall({ ...curves, area: "medium" }),
    ARl: averageRecall({ ...curves, area: "large" }),
  };
}

function checkThresholds(thresholds: readonly number[]): void {
  const sound = thresholds.every((threshold) => threshold > 0 && threshold <= 1);
  if (sound && thresholds.length > 0 && thresholds.length <= 31) return;
  throw new VillaError("InvalidArgument", `Give 1 to 31 thresholds above 0 and up to 1, not ${thresholds.join(", ")}.`);
}

function checkLimits(limits: readonly number[]): void {
  const sound = limits.every((limit, m) => Number.isInteger(limit) && limit > (m === 0 ? 0 : limits[m - 1]!));
  if (sound && limits.length === 3) return;
  throw new VillaError("InvalidArgument", `Give three ascending whole limits of detections, not ${limits.join(", ")}.`);
}

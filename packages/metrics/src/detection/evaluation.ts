import { VillaError } from "@villa/data";
import type { CocoDataset, CocoDetection, DetectionWarning, IouType } from "./coco-format.ts";
import { type CategoryCurves, recallLevels } from "./curves.ts";
import { areaRanges, type Matches } from "./matches.ts";
import { type Detections, readDetections } from "./read-detections.ts";
import { readTruth, type Truth } from "./read-truth.ts";
import { averagePrecision, type Measures, measureCategories, type Numbers, record } from "./summary.ts";

/** What every detection evaluation needs. */
export interface DetectionInput {
  readonly truth: CocoDataset;
  /** A COCO results list. */
  readonly detections: readonly CocoDetection[];
  /** Compare boxes or masks. Default `bbox`. */
  readonly iouType?: IouType | undefined;
  /** Detections of categories that the truth does not list: an error, or left out with a warning. Default `refuse`. */
  readonly unknownCategories?: "refuse" | "ignore" | undefined;
}

/** Precision and recall by category, area range and limit of detections; -1 where there is no object to find. */
export interface DetectionCurves {
  /** Sizes of T thresholds, R recall levels, K categories, A area ranges, M limits. */
  readonly shape: readonly [T: number, R: number, K: number, A: number, M: number];
  readonly thresholds: readonly number[];
  readonly recallLevels: readonly number[];
  readonly areas: readonly string[];
  readonly maxDetections: readonly number[];
  /** [T, R, K, A, M] interpolated precision. */
  readonly precision: Float64Array;
  /** [T, R, K, A, M] score of the detection at which the recall is reached; 0 where it is not. */
  readonly scores: Float64Array;
  /** [T, K, A, M] recall of all detections. */
  readonly recall: Float64Array;
}

/** A category and its numbers. */
export interface CategoryResult<Name extends string> {
  readonly id: number;
  readonly name: string;
  readonly numbers: Numbers<Name>;
}

/** What an evaluation gives besides its numbers. */
export interface DetectionDetails<Name extends string> {
  /** By ascending id. */
  readonly perCategory: readonly CategoryResult<Name>[];
  readonly curves: DetectionCurves;
  /** Ids of the images, ascending. */
  readonly images: readonly number[];
  /** [detections] index of the annotation that the detection found at the first threshold, 0.5; -1 for none. */
  readonly found: Int32Array;
  /** [detections] 1 where the detection is neither right nor wrong at the first threshold, or was not looked at. */
  readonly unjudged: Uint8Array;
  /** [detections, 4] x, y, width, height; those of the masks where detections have no boxes. */
  readonly boxes: Float64Array;
  /** [annotations, 4] as `boxes`. */
  readonly truthBoxes: Float64Array;
  readonly warnings: readonly DetectionWarning[];
}

/** An evaluation: numbers over all categories, those of each, and how to repeat them on samples of the images. */
export interface DetectionEvaluation<CategoryName extends string, Name extends string>
  extends DetectionDetails<CategoryName> {
  readonly numbers: Numbers<Name>;
  /**
   * The numbers on a sample of the images, NaN where there is nothing to find: what a bootstrap repeats.
   *
   * @param sample places in `images`, with repetitions; each detection and object of an image counts as often as it is there
   */
  readonly resample: (sample: ArrayLike<number>) => Numbers<Name>;
  /** The categories' numbers on such a sample, -1 where there is nothing to find: for `categorySplits`. */
  readonly resampleCategories: (sample: ArrayLike<number>) => readonly CategoryResult<CategoryName>[];
  /** The numbers over all categories from those of each. */
  readonly average: (perCategory: readonly CategoryResult<CategoryName>[]) => Numbers<Name>;
}

/** COCO's and LVIS's thresholds of the overlap: 0.5, 0.55, … 0.95. */
export const iouThresholds: readonly number[] = Array.from({ length: 10 }, (_, t) => t * ((0.95 - 0.5) / 9) + 0.5);

/** The truth and the detections of an input, read and checked; options that both protocols share have their defaults here. */
export function readInput(input: DetectionInput): { readonly truth: Truth; readonly detections: Detections } {
  const { iouType = "bbox", unknownCategories = "refuse" } = input;
  const truth = readTruth(input.truth, iouType);
  return { truth, detections: readDetections(input.detections, { truth, iouType, unknownCategories }) };
}

/** The measures of precision that both protocols have. */
export function precisionMeasures(curves: {
  readonly thresholds: readonly number[];
  readonly limits: readonly number[];
}): Measures<"AP" | "AP50" | "AP75" | "APs" | "APm" | "APl"> {
  return {
    AP: averagePrecision(curves),
    AP50: averagePrecision({ ...curves, threshold: 0.5 }),
    AP75: averagePrecision({ ...curves, threshold: 0.75 }),
    APs: averagePrecision({ ...curves, area: "small" }),
    APm: averagePrecision({ ...curves, area: "medium" }),
    APl: averagePrecision({ ...curves, area: "large" }),
  };
}

/** What an evaluation is made of. */
export interface EvaluationParts<CategoryName extends string, Name extends string> {
  readonly truth: Truth;
  readonly detections: Detections;
  readonly matches: Matches;
  readonly limits: readonly number[];
  readonly measures: Measures<CategoryName>;
  /** The numbers over all categories from those of each, in the order of the truth's categories. */
  readonly mean: (rows: readonly Numbers<CategoryName>[]) => Numbers<Name>;
}

/** Measures all categories and keeps their curves. */
export function evaluateMatches<CategoryName extends string, Name extends string>(
  parts: EvaluationParts<CategoryName, Name>,
): DetectionEvaluation<CategoryName, Name> {
  const { truth, detections, matches, limits, measures, mean } = parts;
  const curves = emptyCurves(matches, limits);
  const onCurves = (category: CategoryCurves, k: number): void => store(curves, category, k);
  const rows = measureCategories(matches, { limits, measures, onCurves });
  const categories = rows.length === truth.categories.length ? truth.categories : [{ id: -1, name: "any" }];
  const named = (list: readonly Numbers<CategoryName>[]) => list.map((numbers, k) => ({ ...categories[k]!, numbers }));
  const onSample = (sample: ArrayLike<number>): Numbers<CategoryName>[] => {
    const weights = imageWeights(sample, truth.imageIds.length);
    return measureCategories(matches, { limits, measures, imageWeights: weights });
  };
  return {
    numbers: mean(rows),
    perCategory: named(rows),
    curves,
    images: truth.imageIds,
    found: matches.found,
    unjudged: unjudgedAtFirst(matches, limits.at(-1)!),
    boxes: detections.boxes,
    truthBoxes: truth.boxes,
    warnings: [...truth.warnings, ...detections.warnings],
    resample: (sample) => undefinedAsNaN(mean(onSample(sample))),
    resampleCategories: (sample) => named(onSample(sample)),
    average: (perCategory) => mean(perCategory.map(({ numbers }) => numbers)),
  };
}

function emptyCurves(matches: Matches, limits: readonly number[]): DetectionCurves {
  const [T, R, K, A, M] = [
    matches.thresholds.length,
    recallLevels.length,
    matches.categories,
    areaRanges.length,
    limits.length,
  ];
  return {
    shape: [T, R, K, A, M],
    thresholds: matches.thresholds,
    recallLevels: Array.from(recallLevels),
    areas: areaRanges.map(({ name }) => name),
    maxDetections: limits,
    precision: new Float64Array(T * R * K * A * M),
    scores: new Float64Array(T * R * K * A * M),
    recall: new Float64Array(T * K * A * M),
  };
}

function store(curves: DetectionCurves, category: CategoryCurves, k: number): void {
  const [, , K, A, M] = curves.shape;
  const slots = A * M;
  for (const name of ["precision", "scores", "recall"] as const) {
    const from = category[name];
    for (let row = 0; row * slots < from.length; row++) {
      curves[name].set(from.subarray(row * slots, (row + 1) * slots), (row * K + k) * slots);
    }
  }
}

function unjudgedAtFirst({ detections, found }: Matches, limit: number): Uint8Array {
  const flags = new Uint8Array(found.length).fill(1);
  detections.index.forEach((d, i) => {
    flags[d] = detections.rank[i]! < limit ? detections.unjudged[0]![i]! & 1 : 1;
  });
  return flags;
}

/**
 * How often each image is in a sample.
 *
 * @param sample places of images, ascending by id, with repetitions
 * @throws VillaError `InvalidArgument` for a place outside of the list of images
 */
function imageWeights(sample: ArrayLike<number>, images: number): Float64Array {
  const weights = new Float64Array(images);
  for (let i = 0; i < sample.length; i++) {
    const place = sample[i]!;
    if (!(Number.isInteger(place) && place >= 0 && place < images)) {
      throw new VillaError(
        "InvalidArgument",
        `A sample of ${images} images names image ${place}, which is not one of them.`,
      );
    }
    weights[place]!++;
  }
  return weights;
}

/** Numbers for a bootstrap, which leaves out samples that have none. */
function undefinedAsNaN<Name extends string>(numbers: Numbers<Name>): Numbers<Name> {
  return record(Object.keys(numbers) as Name[], (name) => (numbers[name] === -1 ? Number.NaN : numbers[name]));
}

import { type CategoryCurves, CurveBuilder, recallLevels } from "./curves.ts";
import { areaRanges, type Matches } from "./matches.ts";

/** A number read from a category's curves; -1 where the category has no object to find. */
export type CurveMeasure = (curves: CategoryCurves) => number;

/** Which curves a measure reads. */
export interface CurveSelection {
  readonly thresholds: readonly number[];
  /** Limits of detections for each image, as many as the curves have. */
  readonly limits: readonly number[];
  /** Only this threshold of the overlap; without it the mean over all. The measure is -1 where it is not among them. */
  readonly threshold?: number | undefined;
  readonly area?: (typeof areaRanges)[number]["name"] | undefined;
  /** Index of the limit; the last one without it. */
  readonly limit?: number | undefined;
}

/** Average precision: the mean of the interpolated precision over recall levels, and over thresholds. */
export function averagePrecision(selection: CurveSelection): CurveMeasure {
  return ({ precision }) => meanOf(precision, selection, recallLevels.length);
}

/** Average recall: the mean over thresholds. */
export function averageRecall(selection: CurveSelection): CurveMeasure {
  return ({ recall }) => meanOf(recall, selection, 1);
}

function meanOf(values: Float64Array, selection: CurveSelection, levels: number): number {
  const { thresholds, threshold, limits, area = "all", limit = limits.length - 1 } = selection;
  const slots = areaRanges.length * limits.length;
  const slot = areaRanges.findIndex(({ name }) => name === area) * limits.length + limit;
  let sum = 0;
  let count = 0;
  for (let t = 0; t < thresholds.length; t++) {
    if (threshold !== undefined && thresholds[t] !== threshold) continue;
    for (let r = 0; r < levels; r++) {
      const value = values[(t * levels + r) * slots + slot]!;
      if (value === -1) return -1; // so are all others of this category and range
      sum += value;
      count++;
    }
  }
  return count === 0 ? -1 : sum / count;
}

/** Named measures of a category. */
export type Measures<Name extends string> = Readonly<Record<Name, CurveMeasure>>;
/** Named numbers, as fractions; -1 where there is nothing to find. */
export type Numbers<Name extends string> = Readonly<Record<Name, number>>;

/** The mean over the categories that have a value; -1 where none has. */
export function meanNumbers<Name extends string>(
  rows: readonly Numbers<Name>[],
  names: readonly Name[],
): Numbers<Name> {
  const mean = (name: Name): number => {
    const values = rows.map((row) => row[name]).filter((value) => value !== -1);
    return values.length === 0 ? -1 : values.reduce((sum, value) => sum + value, 0) / values.length;
  };
  return record(names, mean);
}

/** An object with a value for each name. */
export function record<Name extends string>(names: readonly Name[], value: (name: Name) => number): Numbers<Name> {
  return Object.fromEntries(names.map((name) => [name, value(name)])) as Numbers<Name>;
}

/** How categories are measured. */
export interface CategoryMeasuring<Name extends string> {
  readonly limits: readonly number[];
  readonly measures: Measures<Name>;
  /** [images] how often each image counts. */
  readonly imageWeights?: Float64Array | undefined;
  /** Called with each category's curves before they are overwritten. */
  readonly onCurves?: ((curves: CategoryCurves, category: number) => void) | undefined;
}

/** The numbers of every category. */
export function measureCategories<Name extends string>(
  matches: Matches,
  { limits, measures, imageWeights, onCurves }: CategoryMeasuring<Name>,
): Numbers<Name>[] {
  const names = Object.keys(measures) as Name[];
  const builder = new CurveBuilder(matches, limits);
  return Array.from({ length: matches.categories }, (_, k) => {
    const curves = builder.category(k, imageWeights);
    onCurves?.(curves, k);
    return record(names, (name) => measures[name](curves));
  });
}

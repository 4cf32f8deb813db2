import { isAbsolute, join } from "node:path";
import { type ProgressListener, VillaError } from "@villa/data";
import { hashFile } from "@villa/data/node";
import {
  type CategoryResult,
  type CocoDataset,
  type PairedDifference,
  pairedBootstrap,
  type SampleNumbers,
  sampleMeasure,
} from "@villa/metrics";
import { resultsOf } from "./detection-files.ts";
import { measureDetections } from "./detection-measure.ts";
import { readJsonFile } from "./read-json.ts";
import { type EvaluationRecord, folderOf, readRecord, restored, type StoredEvidence } from "./record.ts";
import type { DetectionEvidence } from "./task.ts";

/** How two evaluations are compared. */
export interface CompareOptions {
  /** Folders that `villa evaluate --out` wrote, or their records. */
  readonly a: string;
  readonly b: string;
  /** Default: as the first evaluation. */
  readonly resamples?: number | undefined;
  readonly seed?: number | undefined;
  readonly onProgress?: ProgressListener | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A part of the data, such as an image or a category, in both runs. */
export interface ComparedPart {
  readonly name: string;
  readonly a: number;
  readonly b: number;
}

/** How two evaluations differ. */
export interface Comparison {
  readonly records: { readonly a: EvaluationRecord; readonly b: EvaluationRecord };
  readonly resamples: number;
  readonly seed: number;
  readonly differences: Readonly<Record<string, PairedDifference>>;
  /** The measure of the parts, and the parts by descending difference. */
  readonly parts: {
    readonly what: "category" | "image";
    readonly measure: string;
    readonly list: readonly ComparedPart[];
  };
}

/** One run, ready to be sampled. */
interface Run {
  readonly record: EvaluationRecord;
  readonly measure: (sample: Int32Array) => SampleNumbers;
  /** Of detections. */
  readonly perCategory?: readonly CategoryResult<"AP">[] | undefined;
}

/**
 * Compares two evaluations of the same images by a paired bootstrap: both are measured on the same samples.
 *
 * @throws VillaError `Mismatch` for evaluations of different tasks or images or by different rules, or when a file of theirs has changed
 */
export async function compareEvaluations(options: CompareOptions): Promise<Comparison> {
  const { onProgress, signal } = options;
  const [a, b] = [await openRun(options.a), await openRun(options.b)];
  checkPair(a.record, b.record);
  const { items, bootstrap } = a.record;
  const resamples = options.resamples ?? (bootstrap.resamples || 1000);
  const seed = options.seed ?? bootstrap.seed;
  const differences = await pairedBootstrap({
    items: items.ids.length,
    groups: items.groups,
    measureA: a.measure,
    measureB: b.measure,
    resamples,
    seed,
    onProgress,
    signal,
  });
  return { records: { a: a.record, b: b.record }, resamples, seed, differences, parts: partsOf(a, b) };
}

async function openRun(path: string): Promise<Run> {
  const record = await readRecord(path);
  const { evidence } = record;
  if (!("iouType" in evidence)) return { record, measure: sampleMeasure(restored(evidence)) };
  const folder = await folderOf(path);
  const truth = (await readEvidence(record, { folder, role: "truth" })) as CocoDataset;
  const file = await readEvidence(record, { folder, role: "detections" });
  const { evaluation, measure } = measureDetections(truth, resultsOf(file, evidence.detections), evidence);
  return { record, measure, perCategory: evaluation.perCategory };
}

/** Reads a file that an evaluation of detections was made from; it must not have changed since. */
async function readEvidence(
  { evidence, inputs }: EvaluationRecord,
  { folder, role }: { readonly folder: string; readonly role: "truth" | "detections" },
): Promise<unknown> {
  const named = (evidence as DetectionEvidence)[role];
  const input = inputs.find((each) => each.role === role);
  // Files that the evaluation wrote lie beside it; others are where they were.
  const given = input?.path ?? named;
  const path = isAbsolute(given) ? given : join(folder, given);
  if (input && (await hashFile(path, "sha256")) !== input.sha256) {
    throw new VillaError("Mismatch", `${path} has changed since it was evaluated; evaluate it again.`);
  }
  return readJsonFile(path);
}

function checkPair(a: EvaluationRecord, b: EvaluationRecord): void {
  if (a.task !== b.task) {
    throw new VillaError("Mismatch", `The evaluations are of different tasks: ${a.task} and ${b.task}.`);
  }
  const [own, others] = [a.items.ids, b.items.ids];
  if (own.length !== others.length || own.some((id, i) => id !== others[i])) {
    throw new VillaError(
      "Mismatch",
      `The evaluations are of different images (${own.length} and ${others.length}); a paired comparison needs the same ones in both.`,
    );
  }
  if (!("iouType" in a.evidence && "iouType" in b.evidence)) return;
  const [rules, otherRules] = [a.evidence, b.evidence];
  for (const name of ["iouType", "protocol"] as const) {
    if (rules[name] === otherRules[name]) continue;
    throw new VillaError(
      "Mismatch",
      `The evaluations are by different rules: ${name} ${rules[name]} and ${otherRules[name]}; evaluate one of them again.`,
    );
  }
}

function partsOf(a: Run, b: Run): Comparison["parts"] {
  if (a.perCategory && b.perCategory) {
    const others = new Map(b.perCategory.map(({ id, numbers }) => [id, numbers.AP]));
    const list = a.perCategory.flatMap(({ id, name, numbers }) => {
      const other = others.get(id);
      return other === undefined || numbers.AP < 0 || other < 0 ? [] : [{ name, a: numbers.AP, b: other }];
    });
    return { what: "category", measure: "AP", list: byDifference(list) };
  }
  const [own, others] = [a.record.evidence as StoredEvidence, b.record.evidence as StoredEvidence];
  const measure = Object.keys(own.means).find((name) => name in others.means);
  if (measure === undefined) return { what: "image", measure: "", list: [] };
  const [first, second] = [imageMeans(own, measure), imageMeans(others, measure)];
  const list = a.record.items.ids.flatMap((id, i) =>
    first[i] === undefined || second[i] === undefined ? [] : [{ name: String(id), a: first[i], b: second[i] }],
  );
  return { what: "image", measure, list: byDifference(list) };
}

function byDifference(list: readonly ComparedPart[]): ComparedPart[] {
  return [...list].sort((x, y) => y.b - y.a - (x.b - x.a));
}

/** The mean of each image's values; undefined for one without. */
function imageMeans({ items, means }: StoredEvidence, name: string): (number | undefined)[] {
  const { item, value } = means[name]!;
  const [sums, counts] = [new Float64Array(items), new Float64Array(items)];
  for (let i = 0; i < value.length; i++) {
    if (value[i] === null || Number.isNaN(value[i])) continue; // JSON has null for NaN
    sums[item[i]!]! += value[i]!;
    counts[item[i]!]!++;
  }
  return Array.from(sums, (sum, i) => (counts[i] === 0 ? undefined : sum / counts[i]!));
}

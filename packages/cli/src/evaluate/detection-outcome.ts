import { table } from "@villa/command-kit";
import {
  type CocoDataset,
  type CocoDetection,
  type DetectionMistake,
  detectionMistakes,
  type MistakeKind,
} from "@villa/metrics";
import { type DetectionRules, type MeasuredDetections, measureDetections } from "./detection-measure.ts";
import type { PictureSource } from "./pictures.ts";
import type { InputFile, TaskOutcome } from "./task.ts";

/** Detections with their truth, and what is known about both. */
export interface JudgedDetections {
  readonly subject: string;
  readonly truth: CocoDataset;
  readonly detections: readonly CocoDetection[];
  readonly rules: DetectionRules;
  /** Where both are: as given, or names beside the record. */
  readonly paths: { readonly truth: string; readonly detections: string };
  readonly inputs: readonly InputFile[];
  readonly settings: Readonly<Record<string, unknown>>;
  readonly files?: Readonly<Record<string, string>> | undefined;
  /** image id → group */
  readonly groups?: ((imageId: number) => string | number) | undefined;
  readonly pictures?: PictureSource | undefined;
  readonly warnings?: readonly string[] | undefined;
}

/** The numbers of detections by COCO's or LVIS's rules, with what a page shows of them. */
export function detectionOutcome(judged: JudgedDetections): TaskOutcome {
  const { truth, detections, rules, groups, settings, paths, warnings = [] } = judged;
  const { evaluation, numbers, measure } = measureDetections(truth, detections, rules);
  const mistakes = detectionMistakes({ truth, detections, evaluation });
  const kinds = countKinds(mistakes);
  return {
    task: "detection",
    subject: rules.protocol === "lvis" ? `${judged.subject}, by LVIS's rules` : judged.subject,
    itemIds: evaluation.images,
    groups: groups && evaluation.images.map(groups),
    numbers,
    measure,
    interval: "centred",
    chance: {}, // not known: it depends on how boxes are guessed
    evidence: { ...rules, ...paths },
    inputs: judged.inputs,
    settings: { ...rules, ...settings },
    details: {
      protocol: rules.protocol,
      images: evaluation.images.length,
      objects: truth.annotations.length,
      detections: detections.length,
      perCategory: evaluation.perCategory,
      mistakes: kinds,
    },
    warnings: [...warnings, ...evaluation.warnings.map(({ message }) => message)],
    resamples: defaultResamples(detections.length),
    tables: [categoryTable(evaluation), mistakeTable(kinds)],
    files: judged.files,
    sections: async () => {
      const { detectionSections } = await import("./detection-page.ts");
      return detectionSections({ truth, detections, evaluation, mistakes, kindNames, pictures: judged.pictures });
    },
  };
}

/** A sample of half a million detections takes about a second. */
function defaultResamples(detections: number): number {
  if (detections <= 20_000) return 1000;
  return detections <= 200_000 ? 200 : 50;
}

function countKinds(mistakes: readonly DetectionMistake[]): Record<MistakeKind, number> {
  const kinds = { category: 0, location: 0, duplicate: 0, background: 0, missed: 0 };
  for (const { kind } of mistakes) kinds[kind]++;
  return kinds;
}

/** How many categories a terminal shows. */
const mostShown = 30;

function categoryTable({ perCategory }: MeasuredDetections["evaluation"]): string {
  const names = ["AP", "AP50", "AP75"] as const;
  const known = perCategory.filter(({ numbers }) => numbers.AP >= 0).sort((a, b) => a.numbers.AP - b.numbers.AP);
  const rows = known
    .slice(0, mostShown)
    .map(({ name, numbers }) => [name, ...names.map((key) => numbers[key].toFixed(3))]);
  const left = known.length - rows.length;
  const note =
    left > 0 ? `\n(the ${mostShown} worst of ${known.length} categories; all are in the JSON and on the page)` : "";
  return table([["category", ...names], ...rows]) + note;
}

function mistakeTable(kinds: Readonly<Record<MistakeKind, number>>): string {
  return table([
    ["mistakes at IoU 0.5", "number"],
    ...Object.entries(kinds).map(([kind, count]) => [kindNames[kind as MistakeKind], count]),
  ]);
}

/** Kinds of mistakes in words. */
const kindNames: Readonly<Record<MistakeKind, string>> = {
  category: "another category is there",
  location: "beside its place",
  duplicate: "found a second time",
  background: "nothing is there",
  missed: "missed",
};

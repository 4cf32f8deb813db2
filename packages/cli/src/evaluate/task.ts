import type { ProgressListener } from "@villa/data";
import type { RegionOptions } from "@villa/encoders";
import type { Evidence, IouType, SampleNumbers } from "@villa/metrics";
import type { Markup } from "../report/html.ts";
import type { DetectionProtocol, DetectionRules } from "./detection-measure.ts";

/** Flags of `villa evaluate`. */
export interface EvaluateFlags extends Pick<RegionOptions, "regions"> {
  readonly task: string;
  readonly dataDir?: string | undefined;
  readonly checkpoint?: string | undefined;
  readonly split: string;
  readonly weights?: string | undefined;
  readonly merge?: boolean | undefined;
  readonly truth?: string | undefined;
  readonly detections?: string | undefined;
  readonly iouType: IouType;
  readonly protocol?: DetectionProtocol | undefined;
  readonly novel?: string | undefined;
  readonly images?: string | undefined;
  readonly unknownCategories?: boolean | undefined;
  readonly classes?: readonly string[] | undefined;
  readonly templates?: readonly string[] | undefined;
  readonly proposals: string;
  readonly nms: number;
  readonly temperature: number;
  readonly of: "boxes" | "images";
  readonly samples?: number | undefined;
  readonly negatives: number;
  readonly seed: number;
  readonly resamples?: number | undefined;
  readonly groupBy?: string | undefined;
  readonly out?: string | undefined;
  readonly report?: string | undefined;
}

/** Where a task runs. */
export interface TaskContext {
  readonly onProgress?: ProgressListener | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Whether a page will be written: what only pages show need not be found otherwise. */
  readonly withPage: boolean;
}

/** A file that numbers were computed from. */
export interface InputFile {
  readonly role:
    | "truth"
    | "detections"
    | "checkpoint"
    | "weights"
    | "proposals"
    | "annotations"
    | "vocabulary"
    | "images"
    | "embeddings";
  readonly path: string;
  /** Where it is not simply the file's. */
  readonly sha256?: string | undefined;
}

/** What a task found, in the form in which every task is sampled, written, printed and drawn. */
export interface TaskOutcome {
  readonly task: string;
  /** What was judged, such as "the detections of dt.json". */
  readonly subject: string;
  /** Images, which the bootstrap draws. */
  readonly itemIds: readonly (number | string)[];
  /** [items] what belongs together. */
  readonly groups?: readonly (string | number)[] | undefined;
  /** Numbers by their usual names. Where a task has a convention for "undefined", such as -1, they follow it. */
  readonly numbers: SampleNumbers;
  /** The same on a sample of the items; NaN where there is none. */
  readonly measure: (sample: Int32Array) => SampleNumbers;
  /** How intervals are made, see `bootstrap`; centred ones are kept within 0 … 1. */
  readonly interval?: "percentile" | "centred" | undefined;
  /** What guessing reaches, for the numbers that know it. */
  readonly chance: SampleNumbers;
  /** What `villa compare` computes the numbers from again. */
  readonly evidence: Evidence | DetectionEvidence;
  readonly inputs: readonly InputFile[];
  /** Everything else that decides the numbers: prompts, thresholds, the list of samples. */
  readonly settings: Readonly<Record<string, unknown>>;
  /** More results, for JSON. */
  readonly details: Readonly<Record<string, unknown>>;
  readonly warnings: readonly string[];
  /** Resamples where the user gives none: fewer where each takes long. */
  readonly resamples: number;
  /** Tables below the one of the numbers. */
  readonly tables: readonly string[];
  /** Files to write beside the record, by name. */
  readonly files?: Readonly<Record<string, string>> | undefined;
  /** Sections of the page below the numbers. */
  readonly sections: () => Promise<Markup[]>;
}

/** Detection is measured from its files. */
export interface DetectionEvidence extends DetectionRules {
  /** Files as they were given, or names beside the record. */
  readonly truth: string;
  readonly detections: string;
}

/** A flag that not every task uses. */
export type TaskFlag =
  | Exclude<keyof EvaluateFlags, "task" | "seed" | "resamples" | "groupBy" | "out" | "report">
  | "shard";

/** One value of `--task`. */
export interface EvaluationTask {
  readonly name: string;
  /** For the help text. */
  readonly about: string;
  /** The flags that it uses besides those that every task does, as the others are given. */
  readonly flags: (given: EvaluateFlags) => readonly TaskFlag[];
  readonly run: (flags: EvaluateFlags, context: TaskContext) => Promise<TaskOutcome>;
}

import type { EpochResult } from "@villa/core";
import type { EpochSummary, MappingReport } from "@villa/mapping";
import type { Evaluation } from "@villa/vlm/node";
import type { TimedStep } from "../quickstart/prepare.ts";

/** An image with its regions' boxes. */
export interface SamplePicture {
  /** data: URL */
  readonly png: string;
  readonly text: string;
  readonly regions: number;
}

/** A region with what it shows and what the mapping says. */
export interface MappedRegionPicture {
  /** data: URL */
  readonly png: string;
  readonly imageId: number;
  readonly truth: readonly string[];
  readonly assigned: readonly string[];
}

/** A model of Stage 2, as trained and as judged. */
export interface TrainedModel {
  readonly pairs: "mapping" | "image";
  readonly history: readonly EpochResult[];
  readonly pairCount: number;
  readonly evaluation: Evaluation;
}

/** Everything the report shows; `quickstart.json` holds it without the pictures. */
export interface ReportData {
  readonly folder: string;
  readonly dataset: string;
  readonly finished: string;
  readonly digits: string;
  readonly seed: number;
  readonly splits: readonly { readonly split: string; readonly images: number; readonly complexity: number }[];
  readonly attributeGroups: readonly { readonly name: string; readonly attributes: readonly string[] }[];
  readonly dimension: number;
  readonly stage1: {
    readonly history: readonly Omit<EpochSummary, "shares">[];
    readonly epsilon: number;
    readonly splits: readonly { readonly split: string; readonly report: MappingReport }[];
  };
  readonly models: readonly TrainedModel[];
  /** The dataset's own embeddings, untrained: what chance gives. */
  readonly untrained: Evaluation;
  readonly parameters: number;
  readonly steps: readonly TimedStep[];
  readonly seconds: number;
  readonly machine: readonly (readonly [string, string])[];
}

export interface ReportPictures {
  readonly samples: readonly SamplePicture[];
  readonly right: readonly MappedRegionPicture[];
  readonly wrong: readonly MappedRegionPicture[];
}

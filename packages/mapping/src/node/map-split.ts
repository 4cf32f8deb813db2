import { type AttributeVocabulary, type ProgressListener, writeAnnotations } from "@villa/data";
import { atomicWriteFile } from "@villa/data/node";
import { assignRegions, type Epsilon } from "../assign.ts";
import type { SplitData } from "../build-data.ts";
import type { Stage1Config } from "../config.ts";
import { chooseEpsilon, chooseEpsilonPerAttribute, epsilonSweep, type ScoredSplit } from "../epsilon.ts";
import { scoreSplit } from "../map-regions.ts";
import { mappingRows } from "../mapping-rows.ts";
import type { Parallel } from "../parallel.ts";
import { type MappingReport, mappingReport } from "../report.ts";
import type { AttributeScores, HeadSource } from "../scores.ts";
import { sentenceRule } from "../sentences.ts";

/** A split with the scores of its regions. */
export interface ScoredSplitData extends SplitData {
  readonly scores: readonly AttributeScores[];
}

/** Scores a split on the workers or the current backend. */
export async function scoreSplitData(
  split: SplitData,
  model: HeadSource,
  attributeEmbeddings: Float32Array,
  options: {
    readonly parallel?: Parallel | undefined;
    readonly onProgress?: ProgressListener | undefined;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<ScoredSplitData> {
  const { parallel, onProgress, signal } = options;
  const scores = await scoreSplit({
    ...{ model, data: split.data, attributeEmbeddings },
    ...(parallel && { parallel }),
    ...(onProgress && { onProgress }),
    ...(signal && { signal }),
  });
  return { ...split, scores };
}

/** The split in the form that judging needs, where its true attributes are known. */
export function judgeable({ scores, data, truth }: ScoredSplitData): ScoredSplit | undefined {
  return truth && { scores, counts: data.counts, truth };
}

/**
 * The ε to map with. "auto" and lists are decided on the validation split by F1; without one whose true attributes are
 * known, a list's first value is taken and "auto" falls back to 0.2.
 */
export function decideEpsilon(
  choice: Stage1Config["mapping"]["epsilon"],
  validation: ScoredSplit | undefined,
): Epsilon {
  if (typeof choice === "number") return choice;
  if (typeof choice === "object") {
    if (!validation) return choice[0]!;
    return epsilonSweep(validation, choice).reduce((best, each) => (each.f1 > best.f1 ? each : best)).epsilon;
  }
  if (!validation) return 0.2;
  const shared = chooseEpsilon(validation).epsilon;
  return choice === "auto" ? shared : chooseEpsilonPerAttribute(validation, shared);
}

/** Assigns attributes and sentences, and writes mapping_<split>.feather to every path. */
export async function writeMapping(
  split: ScoredSplitData,
  attributes: readonly string[],
  options: {
    readonly epsilon: Epsilon;
    readonly seed: number;
    readonly sweep: readonly number[];
    readonly paths: readonly string[];
    readonly vocabulary: AttributeVocabulary;
  },
): Promise<MappingReport | undefined> {
  const assigned = assignRegions(split.scores, split.data.counts, options.epsilon);
  const rows = mappingRows(split.annotations, assigned, attributes, options.seed, sentenceRule(options.vocabulary));
  const bytes = await writeAnnotations(rows);
  for (const path of options.paths) await atomicWriteFile(path, bytes);
  const known = judgeable(split);
  return known && mappingReport(known, assigned, attributes, options);
}

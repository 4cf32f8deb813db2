import { join } from "node:path";
import {
  type AttributeVocabulary,
  datasetTexts,
  type ProgressListener,
  VillaError,
  writeAnnotations,
} from "@villa/data";
import { atomicWriteFile } from "@villa/data/node";
import { assignRegions, type Epsilon } from "../assign/assign.ts";
import { chooseEpsilon, chooseEpsilonPerAttribute, epsilonSweep, type ScoredSplit } from "../assign/epsilon.ts";
import { excludeWithinGroups } from "../assign/exclusive.ts";
import { mappingRows } from "../assign/mapping-rows.ts";
import { type MappingReport, mappingReport } from "../assign/report.ts";
import { defaultEpsilon, type Stage1Config } from "../config.ts";
import type { SplitData } from "../data/build-data.ts";
import { type AttributeScores, type HeadSource, scoreRegions } from "../model/scores.ts";
import { mappedSplits, type Stage1Input } from "./open-stage1.ts";
import { stage1Files } from "./stage1-files.ts";

/** A mapped split. */
export interface MappedSplit {
  readonly split: string;
  readonly path: string;
  readonly images: number;
  /** Absent where the annotations do not tell the true attributes. */
  readonly report?: MappingReport | undefined;
}

/**
 * Chooses ε and maps every split, into the run's folder and the dataset's.
 *
 * @param options `directory`: the run's folder
 * @throws VillaError `InvalidArgument` for an unknown group of attributes; `Aborted`, when nothing has been written
 */
export async function mapStage1(
  input: Stage1Input,
  model: HeadSource,
  options: {
    readonly directory: string;
    readonly onProgress?: ProgressListener | undefined;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<{ readonly epsilon: Epsilon; readonly mappings: readonly MappedSplit[] }> {
  const { config, dataset, embeddings, splits } = input;
  const files = stage1Files(options.directory);
  const { attributes } = embeddings;
  const exclusive = exclusiveGroups(config.mapping.exclusive, dataset.vocabulary, attributes);
  const running = { exclusive, onProgress: options.onProgress, signal: options.signal };
  const validation = splits.get("val");
  const scoredValidation = validation && (await scoreSplitData(validation, model, embeddings.values, running));
  const epsilon = decideEpsilon(config.mapping.epsilon, scoredValidation && judgeable(scoredValidation));
  const mappings: MappedSplit[] = [];
  for (const split of mappedSplits(config, dataset)) {
    const scored =
      split === "val" && scoredValidation
        ? scoredValidation
        : await scoreSplitData(splits.get(split)!, model, embeddings.values, running);
    const paths = [files.mapping(split), join(dataset.directory, `mapping_${split}.feather`)];
    const { seed, mapping } = config;
    const { vocabulary } = dataset;
    const report = await writeMapping(scored, attributes, {
      epsilon,
      seed,
      sweep: sweepOf(mapping),
      paths,
      vocabulary,
    });
    mappings.push({ split, path: paths[0]!, images: scored.annotations.length, report });
  }
  return { epsilon, mappings };
}

/** A split with the scores of its regions. */
interface ScoredSplitData extends SplitData {
  readonly scores: readonly AttributeScores[];
}

/** Scores a split on the current backend. */
async function scoreSplitData(
  split: SplitData,
  model: HeadSource,
  attributeEmbeddings: Float32Array,
  options: {
    /** From {@link exclusiveGroups}. */
    readonly exclusive: readonly (readonly number[])[];
    readonly onProgress?: ProgressListener | undefined;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<ScoredSplitData> {
  const scores = await scoreRegions({ model, data: split.data, attributeEmbeddings, ...options });
  return { ...split, scores: excludeWithinGroups(scores, { counts: split.data.counts, groups: options.exclusive }) };
}

/** The attributes of the vocabulary's groups that `mapping.exclusive` names. @throws VillaError `InvalidArgument` */
function exclusiveGroups(
  choice: Stage1Config["mapping"]["exclusive"],
  { groups }: AttributeVocabulary,
  attributes: readonly string[],
): number[][] {
  if (choice === false) return [];
  const names = choice === true ? groups.map(({ name }) => name) : choice;
  return names.map((name) => {
    const group = groups.find((each) => each.name === name);
    if (!group) {
      const known = groups.map((each) => each.name).join(", ");
      throw new VillaError(
        "InvalidArgument",
        `mapping.exclusive names "${name}", but the dataset's groups are ${known}.`,
      );
    }
    return group.attributes.map((attribute) => attributes.indexOf(attribute)).filter((index) => index >= 0);
  });
}

/** The split in the form that judging needs, where its true attributes are known. */
function judgeable({ scores, data, truth, withoutTruth }: ScoredSplitData): ScoredSplit | undefined {
  return truth && { scores, counts: data.counts, truth, withoutTruth };
}

/**
 * The ε to map with. "auto" and lists are decided on the validation split by F1; without one whose true attributes are
 * known, a list's first value is taken and "auto" falls back to the default.
 */
function decideEpsilon(choice: Stage1Config["mapping"]["epsilon"], validation: ScoredSplit | undefined): Epsilon {
  if (typeof choice === "number") return choice;
  if (typeof choice === "object") {
    if (!validation) return choice[0]!;
    return epsilonSweep(validation, choice).reduce((best, each) => (each.f1 > best.f1 ? each : best)).epsilon;
  }
  if (!validation) return defaultEpsilon;
  const shared = chooseEpsilon(validation).epsilon;
  return choice === "auto" ? shared : chooseEpsilonPerAttribute(validation, shared);
}

/** The values of ε that a report compares: those to choose among, where several were given. */
function sweepOf({ epsilon, sweep }: Stage1Config["mapping"]): readonly number[] {
  return typeof epsilon === "object" ? epsilon : sweep;
}

/** Assigns attributes and sentences, and writes mapping_<split>.feather to every path. */
async function writeMapping(
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
  const assigned = assignRegions(split.scores, { counts: split.data.counts, epsilon: options.epsilon });
  const rows = mappingRows(split.annotations, assigned, {
    attributes,
    seed: options.seed,
    texts: datasetTexts(options.vocabulary),
  });
  const bytes = await writeAnnotations(rows);
  for (const path of options.paths) await atomicWriteFile(path, bytes);
  const known = judgeable(split);
  return known && mappingReport(known, assigned, { attributes, ...options });
}

import { createHash } from "node:crypto";
import { existsSync } from "node:fs";
import { join } from "node:path";
import {
  type AttributeVocabulary,
  attributeNames,
  type ImageAnnotation,
  VillaError,
  vocabularyWithTruth,
  withoutTruthNote,
} from "@villa/data";
import { type Dataset, datasetFiles, embeddingFiles, hashFile } from "@villa/data/node";
import { hashEncoder } from "@villa/encoders/node";
import { type AttributeClass, attributeClasses, classPrompts } from "@villa/vlm";
import { openScorer, type RegionScorer } from "@villa/vlm/node";
import type { EvaluateFlags, InputFile, TaskContext } from "./task.ts";

/** Opens the model and the split that the flags name, and closes them when the work is done. */
export async function withScorer<T>(
  { flags, onProgress, signal }: TaskContext & { readonly flags: EvaluateFlags },
  work: (scorer: RegionScorer) => Promise<T>,
): Promise<T> {
  const { dataDir, checkpoint } = modelFlags(flags);
  if (checkpoint === "embeddings") {
    throw new VillaError(
      "InvalidArgument",
      "The dataset's own embeddings are only of its own boxes and attributes; use --task retrieval, or give a checkpoint.",
    );
  }
  const { split, weights, regions } = flags;
  const scorer = await openScorer({ dataDir, checkpoint, split, weights, regions, onProgress, signal });
  const embedBoxes: RegionScorer["embedBoxes"] = async (boxesOf) => {
    const embeddings = await scorer.embedBoxes(boxesOf);
    checkEmbeddings(embeddings, checkpoint);
    return embeddings;
  };
  try {
    return await work({ ...scorer, embedBoxes });
  } finally {
    scorer.dispose();
  }
}

/** @throws VillaError `InvalidArgument` when one is missing */
export function modelFlags({ dataDir, checkpoint }: EvaluateFlags): { dataDir: string; checkpoint: string } {
  if (dataDir !== undefined && checkpoint !== undefined) return { dataDir, checkpoint };
  throw new VillaError("InvalidArgument", "Give --data-dir (the dataset) and --checkpoint (the model).");
}

/** @throws VillaError `NotFinite` for embeddings of weights that are damaged: everything would be ranked alike */
export function checkEmbeddings(embeddings: Float32Array, checkpoint: string): void {
  if (embeddings.every(Number.isFinite)) return;
  throw new VillaError(
    "NotFinite",
    `${checkpoint} gives embeddings that are not numbers: its weights are damaged, or its training diverged. Give another checkpoint.`,
  );
}

/** A split of a dataset, and those of its images that count. */
export interface SplitImages {
  readonly dataset: Dataset;
  readonly rows: readonly ImageAnnotation[];
}

/** The files behind a model's numbers. Images are hashed where a record is kept. */
export async function modelInputs(flags: EvaluateFlags, { dataset, rows }: SplitImages): Promise<InputFile[]> {
  const { checkpoint } = modelFlags(flags);
  const { directory } = dataset;
  const file = (role: InputFile["role"], name: string): InputFile[] =>
    existsSync(join(directory, name)) ? [{ role, path: join(directory, name) }] : [];
  const inputs = [...file("annotations", datasetFiles.annotations), ...file("vocabulary", datasetFiles.vocabulary)];
  if (flags.out !== undefined) {
    inputs.push({ role: "images", path: directory, sha256: await imagesDigest({ dataset, rows }) });
  }
  if (checkpoint === "embeddings") {
    for (const name of Object.values(embeddingFiles)) inputs.push(...file("embeddings", name));
  } else {
    inputs.push({ role: "checkpoint", path: checkpoint, sha256: await hashEncoder(checkpoint) });
  }
  if (flags.weights !== undefined) inputs.push({ role: "weights", path: flags.weights });
  return inputs;
}

/** sha256 of the ids and the hashes of the images' files, in their order. */
async function imagesDigest({ dataset, rows }: SplitImages): Promise<string> {
  const hash = createHash("sha256");
  for (const row of rows) hash.update(`${row.imageId} ${await hashFile(dataset.imagePath(row), "sha256")}\n`);
  return hash.digest("hex");
}

/** What decides a model's numbers on a split, whatever is measured: also how regions were embedded, asked for or not. */
export function modelSettings(
  flags: EvaluateFlags,
  {
    of: { dataset, regions },
    prompts,
  }: {
    readonly of: Pick<SplitImages, "dataset"> & Pick<EvaluateFlags, "regions">;
    readonly prompts: Readonly<Record<string, readonly string[]>>;
  },
): Record<string, unknown> {
  const { split, groupBy } = flags;
  return { dataset: dataset.directory, split, regions, prompts, groupBy };
}

/** The sentences of each class by its name. */
export function promptsByName(
  classes: readonly AttributeClass[],
  prompts: readonly (readonly string[])[],
): Record<string, readonly string[]> {
  return Object.fromEntries(classes.map(({ name }, c) => [name, prompts[c]!]));
}

/** The sentences of each class: given templates, or those of its attributes together. */
export function promptsOf(
  classes: readonly AttributeClass[],
  { templates, vocabulary }: Pick<EvaluateFlags, "templates"> & Pick<RegionScorer, "vocabulary">,
): string[][] {
  if (templates && templates.length > 0)
    return classPrompts(
      classes.map(({ name }) => name),
      { templates },
    );
  return classes.map(({ attributes }) => classPrompts(attributes, { vocabulary }).flat());
}

/** What is judged by a dataset's own truth. */
export interface JudgedClasses {
  readonly classes: readonly AttributeClass[];
  /** What to say of the others. */
  readonly warnings: readonly string[];
}

/**
 * Classes among the attributes that a dataset's truth covers; the others would all count as mistakes.
 *
 * @param words as {@link attributeClasses} has them
 * @throws VillaError `Mismatch` for a word without truth, and as `attributeClasses`
 */
export function judgedClasses(vocabulary: AttributeVocabulary, words?: readonly string[]): JudgedClasses {
  const judged = vocabularyWithTruth(vocabulary);
  const known = (each: AttributeVocabulary): Set<string> =>
    new Set([...attributeNames(each), ...each.groups.map(({ name }) => name)]);
  const [all, covered] = [known(vocabulary), known(judged)];
  const parts = words?.flatMap((word) => (all.has(word) ? [word] : word.split("+").map((part) => part.trim()))) ?? [];
  const lacking = parts.find((word) => all.has(word) && !covered.has(word));
  if (lacking !== undefined) {
    throw new VillaError(
      "Mismatch",
      `"${lacking}" cannot be judged: this dataset does not say which regions have it. Give other --classes.`,
    );
  }
  if (covered.size === 0)
    throw new VillaError("Mismatch", "The dataset does not say of any attribute which regions have it.");
  const note = withoutTruthNote(vocabulary);
  return { classes: attributeClasses(judged, words), warnings: note === undefined ? [] : [note] };
}

/** The true attributes of an image's regions. @throws VillaError `Mismatch` where they are not known */
export function trueAttributes({ imageId, regToAttr, regionCoord }: ImageAnnotation): readonly (readonly string[])[] {
  if (regToAttr?.length === regionCoord.length) return regToAttr;
  throw new VillaError("Mismatch", `Image ${imageId} has no true attributes (reg_to_attr); it cannot be scored.`);
}

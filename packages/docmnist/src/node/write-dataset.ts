import { randomBytes } from "node:crypto";
import { closeSync, existsSync, openSync, writeFileSync } from "node:fs";
import { mkdir, rename, rm, rmdir } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { checkArgument, createAnnotationWriter, formatVocabulary, type ImageAnnotation, VillaError } from "@villa/data";
import { datasetFiles, fileError } from "@villa/data/node";
import { attributeVocabulary } from "../attributes.ts";
import { type DocMnistOptions, docMnistOptions, streamDocMnist } from "../generate.ts";
import { ImageFileEncoder } from "../image-file.ts";
import type { SplitName } from "../sample.ts";
import { imageFilepath, sampleAnnotation } from "../sample.ts";
import { FileWriter } from "./file-writer.ts";

/** What to generate and where to write it. */
export interface WriteDatasetOptions extends DocMnistOptions {
  /** The folder in which the dataset's folder is made; default "data". */
  readonly out?: string | undefined;
  /** Name of the dataset's folder; default `docmnist_<budget>_<average train complexity>`. */
  readonly name?: string | undefined;
  /** Replace a dataset of that name. */
  readonly overwrite?: boolean | undefined;
}

/** What was written about a split. */
export interface SplitSummary {
  readonly images: number;
  readonly averageSampleComplexity: number;
}

/** A dataset that was written. */
export interface WrittenDataset {
  readonly directory: string;
  readonly splits: Readonly<Partial<Record<SplitName, SplitSummary>>>;
}

/** Rows of annotations kept in memory before they are written. */
const rowsPerBatch = 2048;

/**
 * Generates a dataset into a folder: `images/<id>.npz`, `annotations.feather` and `attributes.json`. Images are written
 * as they are made, so memory does not grow with the budget. The folder appears under its name only when it is complete;
 * whatever goes wrong, nothing half-written stays and an older dataset is untouched.
 *
 * @throws VillaError `AlreadyExists`, `InvalidArgument`, `Mismatch`, `FileSystem`, `Aborted`
 */
export async function writeDataset(options: WriteDatasetOptions): Promise<WrittenDataset> {
  checkArgument("options", options, { ...docMnistOptions, "out?": "text", "name?": "text", "overwrite?": "boolean" });

  const parent = resolve(options.out ?? "data");
  const samples = streamDocMnist({ ...options, reuseImage: true });
  if (options.name !== undefined) checkTarget(join(parent, options.name), options.overwrite);
  const temporary = join(parent, `.docmnist-${process.pid}-${randomBytes(4).toString("hex")}.tmp`);
  const files = new FileWriter();
  let made: string | undefined;
  try {
    made = await mkdir(parent, { recursive: true });
    await mkdir(join(temporary, datasetFiles.images), { recursive: true });
    const { directory, splits } = await writeFiles(samples, files, options, parent, temporary);
    writeFileSync(join(temporary, datasetFiles.vocabulary), formatVocabulary(attributeVocabulary(options.attributes)));
    await moveIntoPlace(temporary, directory, options.overwrite);
    return { directory, splits };
  } catch (error) {
    await files.close();
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
    if (made !== undefined) await removeEmpty(parent, made);
    throw fileError(error, { path: parent, doing: "write" });
  } finally {
    await files.close();
  }
}

/** Removes the folders from `last` up to `first` as far as they are empty. */
async function removeEmpty(last: string, first: string): Promise<void> {
  for (let folder = last; folder.length >= first.length; folder = dirname(folder)) {
    const isRemoved = await rmdir(folder).then(
      () => true,
      () => false,
    );
    if (!isRemoved) return;
  }
}

async function writeFiles(
  samples: ReturnType<typeof streamDocMnist>,
  files: FileWriter,
  options: WriteDatasetOptions,
  parent: string,
  temporary: string,
): Promise<WrittenDataset> {
  const side = (options.gridSize ?? 3) * 28;
  const encoder = new ImageFileEncoder(side, side);
  const totals: Partial<Record<SplitName, { images: number; complexity: number }>> = {};
  let directory: string | undefined;
  await writeAnnotationFile(join(temporary, datasetFiles.annotations), async (append) => {
    for (const sample of samples) {
      // The name is known, and a folder of that name is found, as soon as the train split is complete.
      if (sample.split !== "train") directory ??= targetDirectory(options, parent, totals.train);
      const path = join(temporary, imageFilepath(sample.id));
      await files.add({ path, bytes: encoder.encode(sample.image) });
      append(sampleAnnotation(sample));
      totals[sample.split] ??= { images: 0, complexity: 0 };
      const total = totals[sample.split]!;
      total.images++;
      total.complexity += sample.sampleComplexity;
    }
  });
  await files.finish();
  directory ??= targetDirectory(options, parent, totals.train);
  const splits = Object.fromEntries(
    Object.entries(totals).map(([split, { images, complexity }]) => [
      split,
      { images, averageSampleComplexity: complexity / images },
    ]),
  );
  return { directory, splits };
}

function targetDirectory(
  { attributeBudget, name, overwrite }: WriteDatasetOptions,
  parent: string,
  train: { images: number; complexity: number } | undefined,
): string {
  if (!train) {
    throw new VillaError(
      "InvalidArgument",
      `An attribute budget of ${attributeBudget} is not enough for the first image; raise it.`,
    );
  }
  const average = (train.complexity / train.images).toFixed(1);
  const directory = join(parent, name ?? `docmnist_${attributeBudget}_${average}`);
  checkTarget(directory, overwrite);
  return directory;
}

/** Only a dataset may be replaced, and only when that is wanted. */
function checkTarget(directory: string, overwrite = false): void {
  if (!existsSync(directory)) return;
  if (!overwrite) {
    throw new VillaError("AlreadyExists", `${directory} exists; pass --overwrite to replace it, or another --out.`);
  }
  if (!existsSync(join(directory, datasetFiles.annotations))) {
    throw new VillaError("AlreadyExists", `${directory} exists and is not a dataset, so it is not overwritten.`);
  }
}

/** The old dataset goes only when the new one is in its place. */
async function moveIntoPlace(temporary: string, directory: string, overwrite: boolean | undefined): Promise<void> {
  checkTarget(directory, overwrite);
  if (!existsSync(directory)) return rename(temporary, directory);
  const old = `${temporary}.${basename(directory)}.old`;
  await rename(directory, old);
  try {
    await rename(temporary, directory);
  } catch (error) {
    await rename(old, directory);
    throw error;
  }
  await rm(old, { recursive: true, force: true });
}

/** Writes rows in batches, so that only one batch is in memory. */
async function writeAnnotationFile(
  path: string,
  produce: (append: (row: ImageAnnotation) => void) => Promise<void>,
): Promise<void> {
  const writer = await createAnnotationWriter();
  const file = openSync(path, "wx");
  try {
    let rows: ImageAnnotation[] = [];
    const flush = (): void => {
      if (rows.length > 0) writeFileSync(file, writer.append(rows));
      rows = [];
    };
    await produce((row) => {
      if (rows.push(row) === rowsPerBatch) flush();
    });
    flush();
    writeFileSync(file, writer.finish());
  } finally {
    closeSync(file);
  }
}

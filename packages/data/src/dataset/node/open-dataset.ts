import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { join } from "node:path";
import { VillaError } from "../../errors.ts";
import { type ArgumentRule, checkArgument } from "../../formats/check-arguments.ts";
import { describe } from "../../formats/describe.ts";
import { decodeImage } from "../../formats/image/decode.ts";
import type { RgbImage } from "../../formats/image/rgb-image.ts";
import { type ImageAnnotation, type MappingAnnotation, readAnnotations, readMappings } from "../annotations.ts";
import { type AttributeVocabulary, attributeNames, docMnistVocabulary, parseVocabulary } from "../vocabulary.ts";
import { readFileBytes, withPath } from "./files.ts";
import { imageLocator } from "./image-path.ts";

/** File names inside a dataset folder. */
export const datasetFiles = {
  annotations: "annotations.feather",
  vocabulary: "attributes.json",
  images: "images",
} as const;

/** A dataset folder. */
export interface Dataset {
  readonly directory: string;
  /** `regToAttr` names no attribute of the vocabulary's `withoutTruth`: those are not known, whatever the file says. */
  readonly annotations: readonly ImageAnnotation[];
  readonly vocabulary: AttributeVocabulary;
  /** The images of one split, in file order; all of them without a name. */
  rows(split?: string): ImageAnnotation[];
  /** Names of the splits, in order of appearance. */
  readonly splits: readonly string[];
  /** Reads `mapping_<split>.feather`; true attributes as in `annotations`. @throws VillaError `NotFound` when Stage 1 has not written it */
  mappings(split: string): Promise<MappingAnnotation[]>;
  /** Where a row's image is. @throws VillaError `NotFound`, `UnsafeFile` when that is outside of the folder */
  imagePath(row: Pick<ImageAnnotation, "imageFilepath">): string;
  /**
   * Reads a row's image: a sparse COO `.npz`, PNG or JPEG.
   *
   * @throws VillaError `NotFound`, `InvalidFile`, `Mismatch` when its size is not the row's `imageSize`
   */
  readImage(row: Pick<ImageAnnotation, "imageFilepath" | "imageSize">): Promise<RgbImage>;
  /** Reads the images of a split one after another: nothing but the current one is in memory. */
  samples(split?: string): AsyncGenerator<{ row: ImageAnnotation; image: RgbImage }>;
}

/** What a {@link Dataset} must have, for `checkArgument`. */
export const datasetRule: ArgumentRule = {
  annotations: ["object"],
  vocabulary: "object",
  rows: "function",
  imagePath: "function",
  readImage: "function",
};

/**
 * The images of one split, in file order; all of them without a name.
 *
 * @throws VillaError `NotFound` when the dataset has no such split
 */
export function requireRows(dataset: Dataset, split?: string): ImageAnnotation[] {
  checkArgument("dataset", dataset, { directory: "text", splits: ["text"], rows: "function" });
  checkArgument("split?", split, "text");
  const rows = dataset.rows(split);
  if (rows.length > 0 || split === undefined) return rows;
  const { directory, splits } = dataset;
  throw new VillaError("NotFound", `${directory} has no split "${split}"; it has ${splits.join(", ")}.`);
}

/** Options of {@link openDataset}. */
export interface OpenDatasetOptions {
  /**
   * Follow relative image paths and symbolic links that leave the folder. Default: whether the environment variable
   * `VILLA_ALLOW_OUTSIDE` is 1.
   */
  readonly allowOutside?: boolean | undefined;
}

/**
 * Opens a dataset folder: reads `annotations.feather` and `attributes.json`; images are read when asked for.
 *
 * Images are read from inside of the folder: a dataset that somebody else made must not show what else is on this
 * machine. Absolute paths of images that are not in the folder are followed, with a warning of the process that names the
 * first of them.
 *
 * @throws VillaError `NotFound` when the folder or its annotations are missing, `InvalidFile` when they are damaged, or
 *   when there is no `attributes.json` and the attributes are not DocMNIST's
 */
export async function openDataset(directory: string, options: OpenDatasetOptions = {}): Promise<Dataset> {
  if (typeof directory !== "string") {
    throw new VillaError("InvalidArgument", `A dataset folder's path must be a text, not ${describe(directory)}.`);
  }
  const isFolder = await stat(directory).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
  if (!isFolder) throw new VillaError("NotFound", `There is no dataset folder ${directory}.`);
  const annotationsPath = join(directory, datasetFiles.annotations);
  if (!existsSync(annotationsPath)) {
    throw new VillaError("NotFound", `${directory} is not a dataset: it has no ${datasetFiles.annotations}.`);
  }
  const read = await withPath(annotationsPath, async () => readAnnotations(await readFileBytes(annotationsPath)));
  const vocabulary = await readVocabulary(directory, read);
  const annotations = withKnownTruth(read, vocabulary);
  const allowOutside = options.allowOutside ?? process.env.VILLA_ALLOW_OUTSIDE === "1";
  return makeDataset(directory, annotations, vocabulary, imageLocator(directory, allowOutside));
}

function makeDataset(
  directory: string,
  annotations: readonly ImageAnnotation[],
  vocabulary: AttributeVocabulary,
  locate: (path: string) => string,
): Dataset {
  const imagePath: Dataset["imagePath"] = ({ imageFilepath }) => locate(imageFilepath);
  const rows: Dataset["rows"] = (split) => annotations.filter((row) => split === undefined || row.split === split);
  const readImage: Dataset["readImage"] = async (row) => {
    const path = imagePath(row);
    const image = await withPath(path, async () => decodeImage(await readFileBytes(path)));
    const [height, width] = row.imageSize;
    if (image.height !== height || image.width !== width) {
      throw new VillaError(
        "Mismatch",
        `${path} is ${image.height}×${image.width} pixels, but its annotation says ${height}×${width}.`,
      );
    }
    return image;
  };
  return {
    directory,
    annotations,
    vocabulary,
    rows,
    splits: [...new Set(annotations.map((row) => row.split))],
    async mappings(split) {
      const path = join(directory, `mapping_${split}.feather`);
      if (!existsSync(path)) throw new VillaError("NotFound", `There is no ${path}; run Stage 1 first.`);
      const read = await withPath(path, async () => readMappings(await readFileBytes(path)));
      return withKnownTruth(read, vocabulary);
    },
    imagePath,
    readImage,
    async *samples(split) {
      for (const row of rows(split)) yield { row, image: await readImage(row) };
    },
  };
}

/** The rows, less the true attributes that the vocabulary says are not known. */
function withKnownTruth<Row extends ImageAnnotation>(rows: Row[], { withoutTruth }: AttributeVocabulary): Row[] {
  if (!withoutTruth || withoutTruth.length === 0) return rows;
  const unknown = new Set(withoutTruth);
  return rows.map((row) =>
    row.regToAttr?.some((names) => names.some((name) => unknown.has(name)))
      ? { ...row, regToAttr: row.regToAttr.map((names) => names.filter((name) => !unknown.has(name))) }
      : row,
  );
}

async function readVocabulary(
  directory: string,
  annotations: readonly ImageAnnotation[],
): Promise<AttributeVocabulary> {
  const path = join(directory, datasetFiles.vocabulary);
  if (existsSync(path)) {
    const bytes = await readFileBytes(path);
    return withPath(path, () => parseVocabulary(new TextDecoder().decode(bytes)));
  }
  // Folders made by the original have no such file; theirs are DocMNIST's attributes.
  const known = new Set(attributeNames(docMnistVocabulary));
  for (const { attributes } of annotations) {
    const unknown = attributes.find((attribute) => !known.has(attribute));
    if (unknown !== undefined) {
      throw new VillaError(
        "InvalidFile",
        `${directory} has no ${datasetFiles.vocabulary}, and its attribute "${unknown}" is not one of DocMNIST's; write that file.`,
      );
    }
  }
  return docMnistVocabulary;
}

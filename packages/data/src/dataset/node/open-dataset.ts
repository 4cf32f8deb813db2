import { existsSync } from "node:fs";
import { stat } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { VillaError } from "../../errors.ts";
import { decodeImage } from "../../formats/image/decode.ts";
import type { RgbImage } from "../../formats/image/rgb-image.ts";
import { type ImageAnnotation, type MappingAnnotation, readAnnotations, readMappings } from "../annotations.ts";
import { type AttributeVocabulary, attributeNames, docMnistVocabulary, parseVocabulary } from "../vocabulary.ts";
import { readFileBytes, withPath } from "./files.ts";

/** File names inside a dataset folder. */
export const datasetFiles = {
  annotations: "annotations.feather",
  vocabulary: "attributes.json",
  images: "images",
} as const;

/** A dataset folder. */
export interface Dataset {
  readonly directory: string;
  readonly annotations: readonly ImageAnnotation[];
  readonly vocabulary: AttributeVocabulary;
  /** The images of one split, in file order; all of them without a name. */
  rows(split?: string): ImageAnnotation[];
  /** Names of the splits, in order of appearance. */
  readonly splits: readonly string[];
  /** Reads `mapping_<split>.feather`. @throws VillaError `NotFound` when Stage 1 has not written it */
  mappings(split: string): Promise<MappingAnnotation[]>;
  /** Where a row's image is. @throws VillaError `NotFound` */
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

/**
 * Opens a dataset folder: reads `annotations.feather` and `attributes.json`; images are read when asked for.
 *
 * @throws VillaError `NotFound` when the folder or its annotations are missing, `InvalidFile` when they are damaged, or
 *   when there is no `attributes.json` and the attributes are not DocMNIST's
 */
export async function openDataset(directory: string): Promise<Dataset> {
  const isFolder = await stat(directory).then(
    (stats) => stats.isDirectory(),
    () => false,
  );
  if (!isFolder) throw new VillaError("NotFound", `There is no dataset folder ${directory}.`);
  const annotationsPath = join(directory, datasetFiles.annotations);
  if (!existsSync(annotationsPath)) {
    throw new VillaError("NotFound", `${directory} is not a dataset: it has no ${datasetFiles.annotations}.`);
  }
  const annotations = await withPath(annotationsPath, async () =>
    readAnnotations(await readFileBytes(annotationsPath)),
  );
  const vocabulary = await readVocabulary(directory, annotations);
  return makeDataset(directory, annotations, vocabulary);
}

function makeDataset(
  directory: string,
  annotations: readonly ImageAnnotation[],
  vocabulary: AttributeVocabulary,
): Dataset {
  const imagePath: Dataset["imagePath"] = ({ imageFilepath }) => resolveImage(directory, imageFilepath);
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
      return withPath(path, async () => readMappings(await readFileBytes(path)));
    },
    imagePath,
    readImage,
    async *samples(split) {
      for (const row of rows(split)) yield { row, image: await readImage(row) };
    },
  };
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

/**
 * Relative paths are inside the folder. The original wrote absolute ones, of the machine it ran on: the longest tail of
 * such a path that exists inside the folder is the file, else the path itself.
 */
function resolveImage(directory: string, path: string): string {
  const parts = path.split(/[\\/]+/);
  const absolute = isAbsolute(path) || /^[A-Za-z]:[\\/]/.test(path);
  for (let first = absolute ? 1 : 0; first < (absolute ? parts.length : 1); first++) {
    const candidate = join(directory, ...parts.slice(first));
    if (existsSync(candidate)) return candidate;
  }
  if (absolute && existsSync(path)) return path;
  throw new VillaError("NotFound", `The image ${path} is not in ${directory}.`);
}

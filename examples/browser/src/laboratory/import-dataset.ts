import {
  attributeNames,
  decodeImage,
  docMnistVocabulary,
  type ImageAnnotation,
  parseVocabulary,
  type RgbImage,
  readAnnotations,
  VillaError,
} from "@villa/data";
import { unzipSync } from "fflate";
import { bytesOf, type Dataset } from "./dataset.ts";
import type { TableReading } from "./import-table.ts";
import type { InputFile } from "./protocol.ts";

/** An archive that expands to more than this is refused before it is expanded. */
const largestArchive = 2 ** 30;

/**
 * Opens a dataset folder, or a ZIP archive of one: `annotations.feather`, images that it names (sparse `.npz`, PNG or
 * JPEG), and `attributes.json` unless the attributes are DocMNIST's. Images are decoded when they are needed. Without
 * annotations, a table of pictures is read as `villa ingest` reads it; this alone takes long.
 *
 * @throws VillaError `NotFound`, `InvalidFile`, `UnsafeFile`, `Aborted`
 */
export async function importDataset(input: readonly InputFile[], options: TableReading = {}): Promise<Dataset> {
  const archive = input.length === 1 && /\.zip$/i.test(input[0]!.path) ? input[0]! : undefined;
  const files = new Map((archive ? await unzip(archive) : input).map((file) => [file.path, file.contents]));
  const annotations = nearestTheTop([...files.keys()], "annotations.feather");
  if (annotations === undefined) {
    const table = tableOf([...files.keys()]);
    if (table === undefined) throw new VillaError("NotFound", noDataset([...files.keys()]));
    const { importTable } = await import("./import-table.ts");
    return importTable(files, table, options);
  }
  const folder = annotations.slice(0, -"annotations.feather".length);
  const rows = await readAnnotations(await bytesOf(files.get(annotations)!));
  if (rows.length === 0) throw new VillaError("InvalidFile", "The annotations name no image.");
  const paths = rows.map((row) => findImage(files, folder, row.imageFilepath));
  const vocabulary = files.get(`${folder}attributes.json`);
  const imageFile = async (row: number): Promise<Uint8Array> => bytesOf(files.get(paths[row]!)!);
  return {
    name: folder.split("/").at(-2) ?? archive?.path.replace(/^.*\/|\.zip$/gi, "") ?? "dataset",
    vocabulary: vocabulary ? parseVocabulary(await vocabulary.text()) : docMnistIfItFits(rows),
    rows,
    imageFile,
    readImage: async (row) => checkSize(await decoded(await imageFile(row), rows[row]!), rows[row]!),
  };
}

/** The table of a folder of pictures. @throws VillaError `InvalidFile` when several may be it */
function tableOf(paths: readonly string[]): string | undefined {
  const tables = paths.filter((path) => /\.(csv|tsv)$/i.test(path));
  if (tables.length === 0 || paths.length === 1) return undefined;
  if (tables.length === 1) return tables[0];
  throw new VillaError(
    "InvalidFile",
    `The folder holds ${tables.length} tables, ${tables[0]} and ${tables[1]} among them; leave the one that describes the pictures.`,
  );
}

/** What the files are instead of a dataset, as far as their names tell, and what to do. */
function noDataset(paths: readonly string[]): string {
  const [path = "nothing"] = paths;
  const dataset = "Drop a dataset folder or its ZIP archive, or pictures.";
  if (paths.length > 1) {
    return `No annotations.feather is among the ${paths.length} files. Choose a dataset folder or its ZIP archive, or a folder of pictures with their table (.csv); to add pictures without annotations, choose the pictures alone.`;
  }
  if (/\.pkl$/i.test(path)) {
    return `${path} is a trained model, not a dataset. This page trains its own; "villa stage1" and "villa query" open that file. ${dataset}`;
  }
  if (/\.(csv|tsv)$/i.test(path)) {
    return `${path} is a table or a text, not a dataset. Drop the folder that holds it together with its pictures.`;
  }
  if (/\.(jsonl?|parquet|txt|md)$/i.test(path)) {
    return `${path} is a table or a text, not a dataset. "villa ingest" makes a dataset of a table and a folder of pictures. ${dataset}`;
  }
  return `${path} is not a dataset: there is no annotations.feather in it. ${dataset}`;
}

async function unzip({ contents }: InputFile): Promise<InputFile[]> {
  let expanded = 0;
  const filter = ({ originalSize }: { originalSize: number }): boolean => {
    expanded += originalSize;
    if (expanded <= largestArchive) return true;
    throw new VillaError("UnsafeFile", "The archive expands to more than 1 GiB; unpack it and choose its folder.");
  };
  const members = await unzipped(await bytesOf(contents), filter);
  return Object.entries(members).map(([path, bytes]) => ({
    path,
    contents: new Blob([bytes as Uint8Array<ArrayBuffer>]),
  }));
}

async function unzipped(bytes: Uint8Array, filter: (file: { originalSize: number }) => boolean) {
  try {
    return unzipSync(bytes, { filter });
  } catch (cause) {
    if (cause instanceof VillaError) throw cause;
    throw new VillaError("InvalidFile", "The ZIP archive is damaged.", { cause });
  }
}

function nearestTheTop(paths: readonly string[], name: string): string | undefined {
  const found = paths.filter((path) => path === name || path.endsWith(`/${name}`));
  return found.sort((a, b) => a.split("/").length - b.split("/").length)[0];
}

/** The original wrote absolute paths: the longest tail of the path that is in the folder counts. */
function findImage(files: ReadonlyMap<string, Blob>, folder: string, path: string): string {
  const parts = path.split(/[\\/]+/);
  for (let first = 0; first < parts.length; first++) {
    const candidate = folder + parts.slice(first).join("/");
    if (files.has(candidate)) return candidate;
  }
  throw new VillaError("NotFound", `The image ${path} of the annotations is not among the files.`);
}

function docMnistIfItFits(rows: readonly ImageAnnotation[]): typeof docMnistVocabulary {
  const known = new Set(attributeNames(docMnistVocabulary));
  const unknown = rows.flatMap((row) => row.attributes).find((attribute) => !known.has(attribute));
  if (unknown === undefined) return docMnistVocabulary;
  throw new VillaError(
    "NotFound",
    `The folder has no attributes.json, and its attribute "${unknown}" is not one of DocMNIST's; add that file.`,
  );
}

async function decoded(file: Uint8Array, { imageFilepath }: ImageAnnotation): Promise<RgbImage> {
  try {
    return await decodeImage(file);
  } catch (cause) {
    throw new VillaError("InvalidFile", `${imageFilepath} cannot be read. ${(cause as Error).message}`, { cause });
  }
}

function checkSize(image: RgbImage, { imageSize: [height, width], imageFilepath }: ImageAnnotation): RgbImage {
  if (image.width === width && image.height === height) return image;
  throw new VillaError(
    "Mismatch",
    `${imageFilepath} is ${image.height}×${image.width} pixels, but its annotation says ${height}×${width}.`,
  );
}

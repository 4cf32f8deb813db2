import { VillaError } from "../errors.ts";
import { checkList, checkObject, isObject } from "../formats/check-arguments.ts";
import { describe, quote } from "../formats/describe.ts";
import { type FeatherTable, readFeather } from "../formats/feather/read.ts";
import {
  createFeatherWriter,
  type FeatherColumn,
  type FeatherType,
  type FeatherWriteOptions,
  writeFeather,
} from "../formats/feather/write.ts";
import type { ReadLimits } from "../formats/limits.ts";
import type { Rle } from "../formats/mask/rle.ts";
import { parseRleString } from "../formats/mask/rle-string.ts";
import { sentenceSeparator } from "./texts/sentences.ts";

/** Corners of a region in pixels, x to the right and y down: upper left, lower right. */
export type Box = readonly [x0: number, y0: number, x1: number, y1: number];

/** One image of a dataset: a row of `annotations.feather`, whose columns have these names in snake_case. */
export interface ImageAnnotation {
  readonly imageId: number;
  /** Height, width. */
  readonly imageSize: readonly [height: number, width: number];
  /** Relative to the dataset folder; absolute in files made by the original. */
  readonly imageFilepath: string;
  readonly regionCoord: readonly Box[];
  /**
   * Each region's mask of the size of the image, as COCO's compressed run lengths; null for a region that is its box.
   * {@link regionMasks} reads them.
   */
  readonly regionMasks?: readonly (string | null)[] | undefined;
  readonly numRegions: number;
  /** "train", "val", "test" or whatever else the dataset uses. */
  readonly split: string;
  readonly text: string;
  /**
   * The text, taken apart once, by `villa ingest`. Files of the original have no such column: their texts are taken apart
   * by the original's rule. `datasetTexts` tells them apart.
   */
  readonly sentences?: readonly string[] | undefined;
  /** DocMNIST's labels, one per region. */
  readonly digitLabel?: readonly (string | null)[] | undefined;
  readonly colorLabel?: readonly (string | null)[] | undefined;
  readonly shapeLabel?: readonly (string | null)[] | undefined;
  readonly sizeLabel?: readonly (string | null)[] | undefined;
  /** Ground truth, if known: each region's attributes. */
  readonly regToAttr?: readonly (readonly string[])[] | undefined;
  /** Distinct attributes of the image. */
  readonly attributes: readonly string[];
  /** The attributes that the text mentions only as uncertain; the vocabulary's `uncertain` says whether they count. */
  readonly uncertainAttributes?: readonly string[] | undefined;
}

/** An image whose attributes and sentences have been assigned to regions: a row of `mapping_*.feather`. */
export interface MappingAnnotation extends ImageAnnotation {
  /** Per region. */
  readonly assignedAttributes: readonly (readonly string[])[];
  /** Per region: its sentences, joined with " . ". */
  readonly assignedText: readonly string[];
}

type Row = Partial<MappingAnnotation>;

/** Every column, in the order in which files have them. */
const columns: readonly {
  name: string;
  key: keyof MappingAnnotation;
  type: FeatherType;
  required?: true | undefined;
}[] = [
  { name: "image_id", key: "imageId", type: "int64", required: true },
  { name: "image_size", key: "imageSize", type: { list: "int64" }, required: true },
  { name: "image_filepath", key: "imageFilepath", type: "string", required: true },
  { name: "region_coord", key: "regionCoord", type: { list: { list: "int64" } }, required: true },
  { name: "region_masks", key: "regionMasks", type: { list: "string" } },
  { name: "num_regions", key: "numRegions", type: "int64" },
  { name: "split", key: "split", type: "string", required: true },
  { name: "text", key: "text", type: "string", required: true },
  { name: "sentences", key: "sentences", type: { list: "string" } },
  { name: "digit_label", key: "digitLabel", type: { list: "string" } },
  { name: "color_label", key: "colorLabel", type: { list: "string" } },
  { name: "shape_label", key: "shapeLabel", type: { list: "string" } },
  { name: "size_label", key: "sizeLabel", type: { list: "string" } },
  { name: "reg_to_attr", key: "regToAttr", type: { list: { list: "string" } } },
  { name: "attributes", key: "attributes", type: { list: "string" }, required: true },
  { name: "uncertain_attributes", key: "uncertainAttributes", type: { list: "string" } },
  { name: "assigned_attributes", key: "assignedAttributes", type: { list: { list: "string" } } },
  { name: "assigned_text", key: "assignedText", type: { list: "string" } },
];

/**
 * Reads and validates `annotations.feather` (a `mapping_*.feather` too, whose extra columns are then ignored). Columns
 * that are not known are ignored; DocMNIST's labels and `reg_to_attr` may be missing.
 *
 * @throws VillaError `InvalidFile` naming the row and column that is wrong; else as `readFeather`
 */
export async function readAnnotations(bytes: Uint8Array, limits: ReadLimits = {}): Promise<ImageAnnotation[]> {
  return parseRows(await readFeather(bytes, limits), false) as ImageAnnotation[];
}

/** Reads and validates `mapping_*.feather`. @throws VillaError as {@link readAnnotations} */
export async function readMappings(bytes: Uint8Array, limits: ReadLimits = {}): Promise<MappingAnnotation[]> {
  return parseRows(await readFeather(bytes, limits), true) as MappingAnnotation[];
}

/**
 * Writes annotations, or mappings when the first row is one.
 *
 * @throws VillaError `InvalidArgument` when a row is not valid
 */
export async function writeAnnotations(
  rows: readonly (ImageAnnotation | MappingAnnotation)[],
  options: FeatherWriteOptions = {},
): Promise<Uint8Array> {
  checkRows(rows);
  return writeFeather(toColumns(rows, presentColumns(rows)), options);
}

/**
 * The masks of an image's regions.
 *
 * @returns one for each region, or null for a region that is its box; undefined where the image has no masks
 * @throws VillaError `InvalidFile` for run lengths that are not those of a mask of the image's size
 */
export function regionMasks(row: Pick<ImageAnnotation, "imageSize" | "regionMasks">): (Rle | null)[] | undefined {
  checkObject(row, "A row of annotations");
  const { imageSize, regionMasks: masks } = row;
  checkList(imageSize, "The size of an image");
  const [height, width] = imageSize;
  return masks?.map((counts) => (counts === null ? null : parseRleString(counts, { height, width })));
}

/** Number of regions that have a mask. @param rows images of a dataset */
export function countMasks(rows: readonly Pick<ImageAnnotation, "regionMasks">[]): number {
  checkList(rows, "The images of a dataset");
  return rows.reduce((sum, row) => {
    checkObject(row, "A row of annotations");
    return sum + (row.regionMasks?.filter((mask) => mask !== null).length ?? 0);
  }, 0);
}

/** Writes annotations piece by piece; `append` and `finish` return bytes to be added to the file. */
export interface AnnotationWriter {
  /** Adds rows. */
  append(rows: readonly (ImageAnnotation | MappingAnnotation)[]): Uint8Array;
  /** Writes what is left and the end of the file. */
  finish(): Uint8Array;
}

/**
 * An {@link AnnotationWriter}. The first rows decide which of the optional columns there are; `truth` makes room for
 * `regToAttr`, and `masks` for `regionMasks`, in rows that come later.
 */
export async function createAnnotationWriter(
  settings: FeatherWriteOptions & { readonly truth?: boolean | undefined; readonly masks?: boolean | undefined } = {},
): Promise<AnnotationWriter> {
  checkObject(settings, "The options of createAnnotationWriter");
  const { truth = false, masks = false, ...options } = settings;
  const later: (keyof MappingAnnotation)[] = [
    ...(truth ? ["regToAttr" as const] : []),
    ...(masks ? ["regionMasks" as const] : []),
  ];
  const writer = await createFeatherWriter(options);
  let present: typeof columns | undefined;
  return {
    append(rows) {
      checkRows(rows);
      present ??= presentColumns(rows, later);
      return writer.append(toColumns(rows, present));
    },
    finish() {
      if (present) return writer.finish();
      // A file without rows still has columns.
      const start = writer.append(toColumns([], presentColumns([])));
      const end = writer.finish();
      return Uint8Array.from([...start, ...end]);
    },
  };
}

/** @param later optional columns that the first row need not have */
function presentColumns(rows: readonly Row[], later: readonly (keyof MappingAnnotation)[] = []): typeof columns {
  const always = new Set<keyof MappingAnnotation>(["numRegions", ...later]);
  const present = columns.filter(
    ({ key, required }) => required || always.has(key) || rows.some((row) => row[key] !== undefined),
  );
  // Whole pixels, as the Python implementation has them, unless the dataset measures finer.
  const whole = rows.every(({ regionCoord = [] }) => regionCoord.every((box) => box.every(Number.isInteger)));
  if (whole) return present;
  return present.map((column) =>
    column.key === "regionCoord" ? { ...column, type: { list: { list: "float64" } } } : column,
  );
}

function toColumns(rows: readonly Row[], present: typeof columns): FeatherColumn[] {
  return present.map(({ name, key, type }) => ({ name, type, values: rows.map((row) => row[key]) }));
}

function parseRows(table: FeatherTable, mapped: boolean): Row[] {
  const rows: Record<string, unknown>[] = Array.from({ length: table.rowCount }, () => ({}));
  for (const { name, key, required } of columns) {
    const isMapping = key === "assignedAttributes" || key === "assignedText";
    if (isMapping && !mapped) continue;
    if (!table.columnNames.includes(name)) {
      if (required || isMapping) throw new VillaError("InvalidFile", `The annotations lack the column "${name}".`);
      continue;
    }
    for (const [i, value] of table.column(name).entries()) {
      // An absent value of an optional column stays absent.
      if (value !== null || required) rows[i]![key] = value;
    }
  }
  for (const [i, row] of rows.entries()) {
    row.numRegions ??= Array.isArray(row.regionCoord) ? row.regionCoord.length : 0;
    checkRow(row, i, "InvalidFile");
  }
  return rows;
}

function checkRows(rows: readonly Row[]): void {
  checkList(rows, "The rows of annotations", isObject);
  for (const [i, row] of rows.entries()) checkRow(row, i, "InvalidArgument");
}

function checkRow(row: Row, index: number, code: "InvalidFile" | "InvalidArgument"): void {
  const fail: (why: string) => never = (why) => {
    throw new VillaError(code, `Row ${index} of the annotations is wrong: ${why}.`);
  };
  const { imageId, imageSize, imageFilepath, regionCoord, numRegions, split, text, attributes } = row;
  if (!isWhole(imageId)) fail("image_id is not a whole number");
  if (!isNumbers(imageSize, 2) || imageSize.some((side) => !isWhole(side) || side < 1)) {
    fail("image_size is not a height and a width");
  }
  if (typeof imageFilepath !== "string" || imageFilepath === "") fail("image_filepath is empty");
  if (typeof split !== "string" || split === "") fail("split is empty");
  // Splits become names of files.
  if (/[/\\\0]/.test(split)) fail(`split is ${quote(split)}, which cannot be part of a file's name`);
  if (typeof text !== "string") fail("text is missing");
  if (row.sentences !== undefined && !isTexts(row.sentences)) fail("sentences is not a list of texts");
  const joined = row.sentences?.find((sentence) => sentence.includes(sentenceSeparator));
  if (joined !== undefined) {
    fail(`the sentence ${quote(joined)} holds "${sentenceSeparator}", which stands between two sentences`);
  }
  if (!isTexts(attributes)) fail("attributes is not a list of words");
  if (row.uncertainAttributes !== undefined && !isTexts(row.uncertainAttributes)) {
    fail("uncertain_attributes is not a list of words");
  }
  if (!Array.isArray(regionCoord)) fail("region_coord is not a list of boxes");
  for (const box of regionCoord) {
    if (!isNumbers(box, 4)) fail("region_coord holds a box that is not four numbers");
    const [x0, y0, x1, y1] = box;
    if (!(x0! <= x1! && y0! <= y1!)) fail(`the box [${box}] has its corners swapped`);
  }
  const regions = regionCoord.length;
  if (numRegions !== regions) fail(`num_regions is ${describe(numRegions)}, but there are ${regions} boxes`);
  for (const key of ["digitLabel", "colorLabel", "shapeLabel", "sizeLabel"] as const) {
    const labels: unknown = row[key];
    if (labels === undefined) continue;
    const valid = Array.isArray(labels) && labels.every((label) => label === null || typeof label === "string");
    if (!valid || labels.length !== regions) fail(`${key} does not label ${regions} regions`);
  }
  checkMasks(row, regions, fail);
  for (const key of ["regToAttr", "assignedAttributes"] as const) {
    const lists: unknown = row[key];
    if (lists === undefined) continue;
    if (!Array.isArray(lists) || lists.length !== regions || !lists.every(isTexts)) {
      fail(`${key} does not list the attributes of ${regions} regions`);
    }
  }
  if (row.assignedText !== undefined && !(isTexts(row.assignedText) && row.assignedText.length === regions)) {
    fail(`assignedText is not one text for each of ${regions} regions`);
  }
}

function checkMasks({ regionMasks: masks, imageSize }: Row, regions: number, fail: (why: string) => never): void {
  if (masks === undefined) return;
  const isList = Array.isArray(masks) && masks.every((mask) => mask === null || typeof mask === "string");
  if (!isList || masks.length !== regions) fail(`region_masks does not hold a mask or null for ${regions} regions`);
  try {
    regionMasks({ imageSize: imageSize!, regionMasks: masks });
  } catch (error) {
    fail(`region_masks cannot be read: ${(error as Error).message.replace(/\.$/, "")}`);
  }
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value);
}

function isNumbers(value: unknown, length: number): value is number[] {
  return Array.isArray(value) && value.length === length && value.every((item) => Number.isFinite(item));
}

function isTexts(value: unknown): value is string[] {
  return Array.isArray(value) && value.every((item) => typeof item === "string");
}

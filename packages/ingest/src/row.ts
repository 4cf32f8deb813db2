import { type ArgumentRule, type Box, checkArgument, joinSentences, proseSentences, reportSections } from "@villa/data";
import { attributesOfLabels, attributesOfRegions, type BoxFormat, parseBoxes, withMasks } from "./row-regions.ts";
import { distinct, fail, words } from "./row-values.ts";

/** What a table tells about an image, checked as far as that is possible without its pixels. */
export interface TableRow {
  /** Counted from 0. It becomes the dataset's `image_id`. */
  readonly number: number;
  /** The table's own name of the row, if it has one. */
  readonly id?: string | undefined;
  /** Path as the table has it, absolute or inside the folder of images. */
  readonly image: string;
  /** The image file itself, where a Parquet table holds it. */
  readonly bytes?: Uint8Array | undefined;
  /** The sentences joined with " . ". */
  readonly text: string;
  readonly sentences: readonly string[];
  /** A region without one has a mask. */
  readonly boxes?: readonly (Box | undefined)[] | undefined;
  /** What errors call each box, with its numbers as the table has them. */
  readonly boxNames?: readonly string[] | undefined;
  /** Of each box: COCO's polygons or run lengths, the path of a PNG, or nothing. */
  readonly masks?: readonly unknown[] | undefined;
  /** Path of a PNG whose labels are the regions; a row has this or boxes. */
  readonly labelMap?: string | undefined;
  /** By the label of the region. */
  readonly labelAttributes?: Readonly<Record<string, readonly string[]>> | undefined;
  /** Of each box. */
  readonly regionAttributes?: readonly (readonly string[])[] | undefined;
  readonly attributes?: readonly string[] | undefined;
  readonly split?: string | undefined;
  readonly group?: string | undefined;
}

/** What a table may tell of an image. */
export const columnNames = [
  "id",
  "image",
  "text",
  "boxes",
  "masks",
  "label_map",
  "region_attributes",
  "attributes",
  "split",
  "group",
] as const;

/** What a row may hold. */
export type ColumnName = (typeof columnNames)[number];

const columnsRule: ArgumentRule = Object.fromEntries(columnNames.map((name) => [`${name}?`, "text"]));

/** Which column of the table holds what; those that are not named have the names above. */
export type TableColumns = Readonly<Partial<Record<ColumnName, string | undefined>>>;

/** How records are read. */
export interface RowOptions {
  readonly columns?: TableColumns | undefined;
  readonly boxFormat?: BoxFormat | undefined;
  /** Of the texts, as `proseSentences` takes it. Default "en". */
  readonly language?: string | undefined;
  /** Only these sections of the texts, as `reportSections` takes them. */
  readonly sections?: readonly string[] | undefined;
  /** Hears what is wrong with a box, which is then left out; the row itself is refused when no box remains. */
  readonly onBadBox?: ((problem: string) => void) | undefined;
}

/**
 * Reads one record of a table. Lists may be lists, JSON in a cell, or, for words, a cell with `;` or `|` between them.
 *
 * @throws VillaError `InvalidFile` saying what is wrong with the record, without its number
 */
export function parseRow(
  record: Readonly<Record<string, unknown>>,
  number: number,
  options: RowOptions = {},
): TableRow {
  checkArgument("record", record, "object");
  checkArgument("number", number, "number");
  checkArgument("options?", options, {
    "columns?": columnsRule,
    "boxFormat?": "'xyxy' | 'xywh'",
    "language?": "text",
    "sections?": ["text"],
    "onBadBox?": "function",
  });
  const { columns = {}, boxFormat = "xyxy", language, sections, onBadBox } = options;

  const cell = (name: ColumnName): unknown => {
    const column = columns[name] ?? name;
    // A table may leave out a column called "constructor".
    const value = Object.hasOwn(record, column) ? record[column] : undefined;
    if (value === null || value === "") return undefined;
    return name === "image" ? value : withTexts(value, column);
  };
  const word = (name: ColumnName): string | undefined => {
    const value = cell(name);
    if (value === undefined) return undefined;
    const text = typeof value === "object" ? undefined : String(value).trim();
    if (text === undefined) fail(`its ${columns[name] ?? name} is not a word or number`);
    return text === "" ? undefined : text;
  };
  const { image, bytes } = imageOf(cell("image"), number);
  const sentences = sentencesOf(cell("text"), { language, sections });
  const regions = parseBoxes(withMasks(cell("boxes"), cell("masks")), { format: boxFormat, onBadBox });
  const labelMap = word("label_map");
  if (labelMap !== undefined && regions) fail("it has both a label map and boxes or masks; give one of them");
  const truth = cell("region_attributes");
  const labelAttributes = labelMap === undefined ? undefined : attributesOfLabels(truth);
  const regionAttributes = labelMap === undefined ? attributesOfRegions(truth, regions) : undefined;
  const attributes = cell("attributes");
  const [id, split, group] = [word("id"), word("split"), word("group")];
  // Left alone, it could fall into another split than the rest of its group.
  if (columns.group !== undefined && group === undefined) fail(`it has no "${columns.group}" to group it by`);
  return {
    number,
    image,
    text: joinSentences(sentences),
    sentences,
    bytes,
    id,
    boxes: regions?.boxes.map(({ box }) => box),
    boxNames: regions?.boxes.map(({ name }) => name),
    masks: regions?.boxes.some(({ mask }) => mask !== undefined) ? regions.boxes.map(({ mask }) => mask) : undefined,
    labelMap,
    labelAttributes,
    regionAttributes,
    attributes: attributes !== undefined ? distinct(words(attributes, "attributes")) : undefined,
    split: split !== undefined ? (splitAliases.get(split.toLowerCase()) ?? split) : undefined,
    group,
  };
}

/**
 * The sentences of a text, or of several of the same image, such as its captions.
 *
 * @throws VillaError `InvalidFile` saying why there are none
 */
export function sentencesOf(
  value: unknown,
  { language, sections }: Pick<RowOptions, "language" | "sections">,
): string[] {
  const texts: unknown[] = value === undefined || value === null ? [] : Array.isArray(value) ? value : [value];
  const own = texts.flatMap((text) => {
    if (typeof text !== "string") return fail("its text is neither words nor a list of texts");
    return sections === undefined ? [text] : reportSections(text, sections);
  });
  const sentences = own.flatMap((text) => proseSentences(text, { language }));
  if (sentences.length > 0) return sentences;
  const isEmpty = sections === undefined || texts.every((text) => text === "");
  return fail(
    isEmpty ? "its text is empty" : `its text has no section ${sections.map((name) => `"${name}"`).join(" or ")}`,
  );
}

/** What tables and folders call the usual splits. */
export const splitAliases: ReadonlyMap<string, string> = new Map([
  ["training", "train"],
  ["train", "train"],
  ["validation", "val"],
  ["validate", "val"],
  ["valid", "val"],
  ["val", "val"],
  ["dev", "val"],
  ["testing", "test"],
  ["test", "test"],
]);

/** Texts in place of the bytes that Parquet has where no annotation says that they are texts. */
function withTexts(value: unknown, column: string, depth = 0): unknown {
  // Lists of lists are the deepest that a row has; a hostile one may be deeper than the stack.
  if (Array.isArray(value) && depth < 3) return value.map((item) => withTexts(item, column, depth + 1));
  if (!(value instanceof Uint8Array)) return value;
  const text = utf8Text(value);
  if (text === undefined) fail(`its ${column} is bytes that are not a text in utf-8`);
  return text === "" ? undefined : text;
}

function utf8Text(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

/** Longest path that bytes are taken for. */
const longestPath = 4096;

/** The path that bytes hold; image files have bytes that no path has. */
function pathIn(bytes: Uint8Array): string | undefined {
  const text = bytes.length > longestPath ? undefined : utf8Text(bytes)?.trim();
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what tells files from paths
  return text === undefined || text === "" || /[\u0000-\u001f<]/.test(text) ? undefined : text;
}

/** A path, or what Hugging Face's tables hold: `{ bytes, path }`. */
export function imageOf(value: unknown, number: number): { image: string; bytes?: Uint8Array | undefined } {
  if (typeof value === "string" && value.trim() !== "") return { image: value.trim() };
  if (value instanceof Uint8Array) {
    const path = pathIn(value);
    return path === undefined ? { image: `row ${number}`, bytes: value } : { image: path };
  }
  const { bytes, path: given } = (value ?? {}) as { bytes?: unknown; path?: unknown };
  const path = given instanceof Uint8Array ? pathIn(given) : given;
  if (bytes instanceof Uint8Array) return { image: typeof path === "string" ? path : `row ${number}`, bytes };
  if (typeof path === "string" && path !== "") return { image: path };
  return fail("it names no image");
}

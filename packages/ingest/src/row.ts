import {
  type ArgumentRule,
  type Box,
  checkArgument,
  isVillaError,
  joinSentences,
  proseSentences,
  reportSections,
  VillaError,
} from "@villa/data";

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

/** `xywh`: left, top, width, height, as in COCO. */
export type BoxFormat = "xyxy" | "xywh";

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
  const regions = parseBoxes(withMasks(cell("boxes"), cell("masks")), boxFormat, onBadBox);
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
function imageOf(value: unknown, number: number): { image: string; bytes?: Uint8Array | undefined } {
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

/** A box that its table has found wrong already. */
export class BadBox {
  readonly problem: string;

  /** @param problem a clause such as "annotation 5 has the category 9, which is not in the file" */
  constructor(problem: string) {
    this.problem = problem;
  }
}

interface ParsedBox {
  /** What errors call it: with its numbers as the table has them. */
  readonly name: string;
  /** Absent where the mask says where the region is. */
  readonly box: Box | undefined;
  readonly mask: unknown;
  readonly attributes: unknown;
  /** Its place in the list. */
  readonly at: number;
}

interface ParsedBoxes {
  readonly boxes: readonly ParsedBox[];
  /** How many the list has, those left out too. */
  readonly listed: number;
}

/** The list of boxes with the column of masks put into it. */
function withMasks(boxes: unknown, masks: unknown): unknown {
  const isPaths = typeof masks === "string" && !masks.trim().startsWith("[");
  const list = isPaths ? words(masks, "masks") : fromJson(masks, "masks");
  if (list === undefined) return boxes;
  if (!isList(list)) fail("its masks are not a list");
  const all = [...list];
  const own = fromJson(boxes, "boxes");
  if (own !== undefined && !isList(own)) fail("its boxes are not a list");
  const items = own === undefined ? all.map(() => undefined) : [...own];
  if (items.length !== all.length) fail(`it has ${items.length} boxes but ${all.length} masks`);
  return items.map((item, i) => {
    if (isList(item)) return { box: item, mask: all[i] };
    const isBox = (typeof item === "object" && !(item instanceof BadBox)) || item === undefined;
    return isBox ? { ...item, mask: all[i] } : item;
  });
}

/** Boxes, or `{ box, mask, attributes }` of each, or COCO's annotations. */
function parseBoxes(
  value: unknown,
  format: BoxFormat,
  onBadBox: ((problem: string) => void) | undefined,
): ParsedBoxes | undefined {
  const list = fromJson(value, "boxes");
  if (list === undefined) return undefined;
  if (!isList(list)) fail("its boxes are not a list");
  const boxes: ParsedBox[] = [];
  const problems: string[] = [];
  const items = [...list];
  for (const [at, item] of items.entries()) {
    try {
      boxes.push(parseBox(item, at, format));
    } catch (error) {
      if (!isVillaError(error)) throw error;
      problems.push(error.message);
    }
  }
  if (problems.length > 0 && (!onBadBox || boxes.length === 0)) fail(problems[0]!);
  for (const problem of problems) onBadBox?.(problem);
  return items.length > 0 ? { boxes, listed: items.length } : undefined;
}

function parseBox(item: unknown, at: number, format: BoxFormat): ParsedBox {
  if (item instanceof BadBox) fail(item.problem);
  const {
    id,
    box,
    bbox,
    mask: segmentation,
    attributes,
  } = (isList(item) ? { box: item } : (item ?? {})) as Record<string, unknown>;
  const isAnnotation = typeof id === "number" || typeof id === "string";
  const label = isAnnotation ? `annotation ${id}` : `box ${at}`;
  const given = box ?? bbox;
  const mask = segmentation ?? undefined;
  if (mask !== undefined && (given === undefined || given === null)) {
    return { name: isAnnotation ? label : `mask ${at}`, box: undefined, mask, attributes, at };
  }
  const numbers = isList(given) ? Array.from(given, numberOf) : [];
  if (numbers.length !== 4 || !numbers.every(Number.isFinite)) {
    fail(isAnnotation ? `the bbox of ${label} is not four numbers` : `${label} is not four numbers`);
  }
  const [x, y, third, fourth] = numbers as [number, number, number, number];
  const name = `${label}, ${isAnnotation ? "bbox " : ""}[${numbers.join(", ")}],`;
  if (format === "xywh") {
    if (!(third > 0)) fail(`${name} has the width ${third}`);
    if (!(fourth > 0)) fail(`${name} has the height ${fourth}`);
    return { name, box: [x, y, x + third, y + fourth], mask, attributes, at };
  }
  if (!(x < third && y < fourth)) fail(`${name} is empty or has its corners swapped; boxes are ${format}`);
  return { name, box: [x, y, third, fourth], mask, attributes, at };
}

/** Of a number, or the text of one; nothing else becomes 0 or 1. */
function numberOf(value: unknown): number {
  if (typeof value === "number" || typeof value === "bigint") return Number(value);
  return typeof value === "string" && value.trim() !== "" ? Number(value) : Number.NaN;
}

/** The true attributes of the boxes that are kept, from a column of their own or from the boxes. */
function attributesOfRegions(column: unknown, regions: ParsedBoxes | undefined): string[][] | undefined {
  const own = regions?.boxes.map(({ attributes }) => attributes ?? undefined) ?? [];
  const fromBoxes = own.some((each) => each !== undefined)
    ? parseRegionAttributes(
        own.map((each) => each ?? []),
        own.length,
      )
    : undefined;
  if (column === undefined) return fromBoxes;
  const listed = parseRegionAttributes(column, regions?.listed);
  const kept = regions?.boxes.map(({ at }) => listed[at]!);
  const differing = fromBoxes?.findIndex((words, i) => [...words].sort().join() !== [...kept![i]!].sort().join()) ?? -1;
  if (differing >= 0) {
    const [first, second] = [fromBoxes![differing]!.join(", "), kept![differing]!.join(", ")];
    fail(`${regions!.boxes[differing]!.name} has the attributes "${first}", but its region attributes are "${second}"`);
  }
  return kept;
}

/** The true attributes of the regions of a label map: `{ "3": ["lung"], … }`. */
function attributesOfLabels(column: unknown): Record<string, string[]> | undefined {
  const value = fromJson(column, "region attributes");
  if (value === undefined) return undefined;
  if (typeof value !== "object" || value === null || isList(value)) {
    fail('its region attributes do not go by label, as in {"3": ["lung"]}');
  }
  return Object.fromEntries(
    Object.entries(value).map(([label, own]) => [label, distinct(words(own, "region attributes"))]),
  );
}

/** @param boxes how many the row lists */
function parseRegionAttributes(value: unknown, boxes: number | undefined): string[][] {
  const list = fromJson(value, "region attributes");
  if (!isList(list)) fail("its region attributes are not a list");
  const perRegion = Array.from(list, (own) => distinct(words(own, "region attributes")));
  if (perRegion.length !== boxes) {
    fail(`it has ${boxes ?? "no"} boxes but attributes of ${perRegion.length} regions`);
  }
  return perRegion;
}

function words(value: unknown, what: string): string[] {
  const list = typeof value === "string" && !value.trim().startsWith("[") ? value.split(/[;|]/) : fromJson(value, what);
  if (!isList(list)) fail(`its ${what} are not a list of words`);
  return Array.from(list, (item) => {
    if (typeof item !== "string") fail(`its ${what} are not a list of words`);
    return item.trim();
  }).filter((item) => item !== "");
}

function fromJson(value: unknown, what: string): unknown {
  if (typeof value !== "string") return value;
  try {
    return JSON.parse(value) as unknown;
  } catch {
    return fail(`its ${what} are not valid JSON`);
  }
}

function isList(value: unknown): value is Iterable<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && !(value instanceof DataView));
}

const distinct = (list: readonly string[]): string[] => [...new Set(list)];

function fail(why: string): never {
  throw new VillaError("InvalidFile", why);
}

import { type Box, joinSentences, parseJson, proseSentences, VillaError } from "@villa/data";

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
  /** Sentences joined with " . ". */
  readonly text: string;
  readonly boxes?: readonly Box[] | undefined;
  /** Of each box. */
  readonly regionAttributes?: readonly (readonly string[])[] | undefined;
  readonly attributes?: readonly string[] | undefined;
  readonly split?: string | undefined;
  readonly group?: string | undefined;
  /** Boxes that were left out, and why, a clause each. */
  readonly droppedBoxes?: readonly string[] | undefined;
}

/** What a row may hold. */
export type ColumnName = "id" | "image" | "text" | "boxes" | "region_attributes" | "attributes" | "split" | "group";

/** Which column of the table holds what; those that are not named have the names above. */
export type TableColumns = Readonly<Partial<Record<ColumnName, string | undefined>>>;

/** `xywh`: left, top, width, height, as in COCO. */
export type BoxFormat = "xyxy" | "xywh";

/**
 * Reads one record of a table. Lists may be lists, JSON in a cell, or, for words, a cell with `;` or `|` between them.
 *
 * @throws VillaError `InvalidFile` saying what is wrong with the record, without its number
 */
export function parseRow(
  record: Readonly<Record<string, unknown>>,
  number: number,
  {
    columns = {},
    boxFormat = "xyxy",
    dropBoxes = false,
  }: {
    readonly columns?: TableColumns | undefined;
    readonly boxFormat?: BoxFormat | undefined;
    readonly dropBoxes?: boolean | undefined;
  } = {},
): TableRow {
  const cell = (name: ColumnName): unknown => {
    const key = columns[name] ?? name;
    const value = Object.hasOwn(record, key) ? record[key] : undefined;
    if (value instanceof Uint8Array && name !== "image") return textOf(value, key);
    return value === null || value === "" ? undefined : value;
  };
  const word = (name: ColumnName): string | undefined => {
    const value = cell(name);
    if (value === undefined) return undefined;
    const text = typeof value === "object" ? undefined : String(value).trim();
    if (text === undefined) fail(`its ${columns[name] ?? name} is not a word or number`);
    return text === "" ? undefined : text;
  };
  const { image, bytes } = imageOf(cell("image"), number);
  const text = cell("text");
  if (text !== undefined && typeof text !== "string") fail("its text is not a string of characters");
  const sentences = text === undefined ? "" : joinSentences(proseSentences(text));
  if (sentences === "") fail("its text is empty");
  const regions = parseBoxes(cell("boxes"), { format: boxFormat, drop: dropBoxes });
  const regionAttributes = cell("region_attributes") ?? regions?.attributes;
  const attributes = cell("attributes");
  const [id, split, group] = [word("id"), word("split"), word("group")];
  // Left alone, it could fall into another split than the rest of its group.
  if (columns.group !== undefined && group === undefined) fail(`it has no "${columns.group}" to group it by`);
  return {
    number,
    image,
    text: sentences,
    bytes,
    id,
    boxes: regions?.boxes,
    regionAttributes: regionAttributes === undefined ? undefined : parseRegionAttributes(regionAttributes, regions),
    attributes: attributes !== undefined ? distinct(words(attributes, "attributes")) : undefined,
    split: split === undefined ? undefined : (splitAliases.get(split.toLowerCase()) ?? split),
    group,
    droppedBoxes: regions?.dropped,
  };
}

const splitAliases: ReadonlyMap<string, string> = new Map([
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

/** A column of bytes without the note that they are text, as some writers of Parquet leave them. */
function textOf(bytes: Uint8Array, column: string): string | undefined {
  try {
    const text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
    return text === "" ? undefined : text;
  } catch {
    return fail(`its ${column} are bytes that are not UTF-8`);
  }
}

/** A path among bytes that may be a file: short, and without the control characters that every image file has. */
function pathOf(bytes: Uint8Array): string | undefined {
  if (bytes.length > 4096 || bytes.some((byte) => byte < 0x20 || byte === 0x7f)) return undefined;
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes).trim() || undefined;
  } catch {
    return undefined;
  }
}

/** A path, or what Hugging Face's tables hold: `{ bytes, path }`. */
function imageOf(value: unknown, number: number): { image: string; bytes?: Uint8Array | undefined } {
  if (typeof value === "string" && value.trim() !== "") return { image: value.trim() };
  if (value instanceof Uint8Array) {
    const path = pathOf(value);
    return path === undefined ? { image: `row ${number}`, bytes: value } : { image: path };
  }
  const { bytes, path } = (value ?? {}) as { bytes?: unknown; path?: unknown };
  if (bytes instanceof Uint8Array) return { image: typeof path === "string" ? path : `row ${number}`, bytes };
  if (typeof path === "string" && path !== "") return { image: path };
  return fail("it names no image");
}

interface ParsedBoxes {
  readonly boxes: readonly Box[];
  /** Places in the list that the row has, and its length. */
  readonly kept: readonly number[];
  readonly total: number;
  readonly attributes?: readonly unknown[] | undefined;
  readonly dropped: readonly string[];
}

/**
 * Boxes, or `{ box, attributes }` of each; a `name` is what messages call it.
 *
 * @param options `drop`: leave out boxes that are wrong as long as others remain
 */
function parseBoxes(
  value: unknown,
  { format, drop }: { readonly format: BoxFormat; readonly drop: boolean },
): ParsedBoxes | undefined {
  const list = fromJson(value, "boxes");
  if (list === undefined) return undefined;
  if (!isList(list)) fail("its boxes are not a list");
  const items = [...list].map((item, region) => {
    const fallback = `box ${region}`;
    if (isList(item)) return { box: item, name: fallback, attributes: undefined };
    const { box, bbox, attributes, name } = (item ?? {}) as Record<string, unknown>;
    return { box: box ?? bbox, attributes, name: typeof name === "string" ? name : fallback };
  });
  if (items.length === 0) return undefined;
  const boxes: Box[] = [];
  const kept: number[] = [];
  const dropped: string[] = [];
  for (const [region, { box, name }] of items.entries()) {
    const parsed = parseBox(box, name, format);
    if (typeof parsed === "string") dropped.push(parsed);
    else {
      boxes.push(parsed);
      kept.push(region);
    }
  }
  if (dropped.length > 0 && (!drop || boxes.length === 0)) fail(dropped[0]!);
  const told = items.some(({ attributes }) => attributes !== undefined);
  const attributes = told ? items.map((item) => item.attributes ?? []) : undefined;
  return { boxes, kept, total: items.length, attributes, dropped };
}

/** @returns the corners, or what is wrong, with the numbers as the table has them */
function parseBox(box: unknown, name: string, format: BoxFormat): Box | string {
  const numbers = isList(box) ? Array.from(box, Number) : [];
  if (numbers.length !== 4 || !numbers.every(Number.isFinite)) return `${name} is not four numbers`;
  const [x, y, third, fourth] = numbers as [number, number, number, number];
  const shown = `${name}, [${numbers.join(", ")}],`;
  if (format === "xyxy") {
    if (x < third && y < fourth) return [x, y, third, fourth];
    return `${shown} is empty or has its corners swapped; boxes are xyxy`;
  }
  if (third > 0 && fourth > 0) return [x, y, x + third, y + fourth];
  const [side, length] = third > 0 ? ["height", fourth] : ["width", third];
  return `${shown} has the ${side} ${length}; boxes are left, top, width, height`;
}

/** @returns of each region that was kept */
function parseRegionAttributes(value: unknown, boxes: ParsedBoxes | undefined): string[][] {
  const list = fromJson(value, "region attributes");
  if (!isList(list)) fail("its region attributes are not a list");
  const perRegion = Array.from(list, (own) => distinct(words(own, "region attributes")));
  if (perRegion.length !== boxes?.total) {
    fail(`it has ${boxes?.total ?? "no"} boxes but attributes of ${perRegion.length} regions`);
  }
  return boxes.kept.map((region) => perRegion[region]!);
}

function words(value: unknown, what: string): string[] {
  const list = typeof value === "string" && !value.trim().startsWith("[") ? value.split(/[;|]/) : fromJson(value, what);
  if (!isList(list)) fail(`its ${what} are not a list of words`);
  return Array.from(list, (given) => {
    const item = given instanceof Uint8Array ? textOf(given, what) : given;
    if (typeof item !== "string") fail(`its ${what} are not a list of words`);
    return item.trim();
  }).filter((item) => item !== "");
}

function fromJson(value: unknown, what: string): unknown {
  if (typeof value !== "string") return value;
  try {
    return parseJson(value);
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

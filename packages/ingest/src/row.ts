import { type Box, joinSentences, proseSentences, VillaError } from "@villa/data";

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
  }: { readonly columns?: TableColumns | undefined; readonly boxFormat?: BoxFormat | undefined } = {},
): TableRow {
  const cell = (name: ColumnName): unknown => {
    const value = record[columns[name] ?? name];
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
  if (text !== undefined && typeof text !== "string") fail("its text is not a text");
  const sentences = text === undefined ? "" : joinSentences(proseSentences(text));
  if (sentences === "") fail("its text is empty");
  const regions = parseBoxes(cell("boxes"), boxFormat);
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
    boxes: regions ? regions.boxes : undefined,
    regionAttributes:
      regionAttributes !== undefined ? parseRegionAttributes(regionAttributes, regions?.boxes.length) : undefined,
    attributes: attributes !== undefined ? distinct(words(attributes, "attributes")) : undefined,
    split: split !== undefined ? (splitAliases[split.toLowerCase()] ?? split) : undefined,
    group,
  };
}

const splitAliases: Readonly<Record<string, string>> = {
  training: "train",
  train: "train",
  validation: "val",
  validate: "val",
  valid: "val",
  val: "val",
  dev: "val",
  testing: "test",
  test: "test",
};

/** A path, or what Hugging Face's tables hold: `{ bytes, path }`. */
function imageOf(value: unknown, number: number): { image: string; bytes?: Uint8Array | undefined } {
  if (typeof value === "string" && value.trim() !== "") return { image: value.trim() };
  if (value instanceof Uint8Array) return { image: `row ${number}`, bytes: value };
  const { bytes, path } = (value ?? {}) as { bytes?: unknown; path?: unknown };
  if (bytes instanceof Uint8Array) return { image: typeof path === "string" ? path : `row ${number}`, bytes };
  if (typeof path === "string" && path !== "") return { image: path };
  return fail("it names no image");
}

/** Boxes, or `{ box, attributes }` of each. */
function parseBoxes(
  value: unknown,
  format: BoxFormat,
): { boxes: Box[]; attributes?: unknown[] | undefined } | undefined {
  const list = fromJson(value, "boxes");
  if (list === undefined) return undefined;
  if (!isList(list)) fail("its boxes are not a list");
  const items = [...list].map((item) => {
    if (isList(item)) return { box: item };
    const { box, bbox, attributes } = (item ?? {}) as Record<string, unknown>;
    return { box: box ?? bbox, attributes };
  });
  if (items.length === 0) return undefined;
  const boxes = items.map(({ box }, region): Box => {
    const numbers = isList(box) ? Array.from(box, Number) : [];
    if (numbers.length !== 4 || !numbers.every(Number.isFinite)) fail(`box ${region} is not four numbers`);
    const [x, y, third, fourth] = numbers as [number, number, number, number];
    const corners: Box = format === "xywh" ? [x, y, x + third, y + fourth] : [x, y, third, fourth];
    if (!(corners[0] < corners[2] && corners[1] < corners[3])) {
      fail(`box ${region}, [${numbers.join(", ")}], is empty or has its corners swapped; boxes are ${format}`);
    }
    return corners;
  });
  const told = items.some(({ attributes }) => attributes !== undefined);
  return { boxes, attributes: told ? items.map(({ attributes }) => attributes ?? []) : undefined };
}

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

import { VillaError } from "@villa/data";
import { readFileBytes } from "@villa/data/node";
import { BadBox } from "../../row-regions.ts";
import type { TableRecord } from "../../table-record.ts";
import { parseJsonFile } from "./json-file.ts";
import type { TableFormat } from "./table-format.ts";

export const coco: TableFormat = {
  extensions: [".json"],
  isRectangular: false,
  boxFormat: "xywh",
  async open(path) {
    const records = cocoRecords(path, parseJsonFile(path, await readFileBytes(path)));
    return {
      expectedRows: records.length,
      async *records() {
        yield* records;
      },
    };
  },
};

type Entry = Readonly<Record<string, unknown>>;

/**
 * Records of a COCO file, one an image: boxes, each with its category (and its `attributes`, if it has such a list), and
 * as text the image's own `text` or `caption` or else all captions among the annotations. After the images comes a record
 * for each image that annotations name and the file does not have. Ids are compared as texts, since tools write 1 and "1".
 *
 * @throws VillaError `InvalidFile`
 */
function cocoRecords(path: string, value: unknown): TableRecord[] {
  const { images, annotations, categories } = lists(path, value);
  const names = categoryNames(path, categories);
  const knowsTruth = names.size > 0 || annotations.some(({ attributes }) => Array.isArray(attributes));
  const rows = grouped(images, ({ id }) => id);
  const byImage = grouped(annotations, ({ image_id }) => image_id);
  const strangers = [...byImage].filter(([id]) => !rows.has(id) || id === undefined);
  if (annotations.length > 0 && strangers.length === byImage.size) {
    throw new VillaError(
      "InvalidFile",
      `None of the annotations in ${path} belongs to one of its images: ${strangers[0]![0] === undefined ? "they have no image_id" : `no image has the id ${strangers[0]![0]}, for instance`}.`,
    );
  }
  const rowOf = new Map(images.map((image, row) => [image, row]));
  const places = new Map(annotations.map((annotation, i) => [annotation, i]));
  const label = (annotation: Entry): string => idOf(annotation.id) ?? `at place ${places.get(annotation)} (from 0)`;
  const records = images.map((image, number): TableRecord => {
    const id = idOf(image.id);
    const others = rows.get(id)!;
    if (annotations.length > 0 && (id === undefined || others.length > 1)) {
      const other = rowOf.get(others.find((each) => each !== image) ?? image);
      const why = id === undefined ? "it has no id" : `its id "${id}" is that of row ${other} too`;
      return {
        number,
        problem: new VillaError("InvalidFile", `${why}, so nothing tells which annotations are its own`),
      };
    }
    const own = byImage.get(id) ?? [];
    const captions = own.flatMap(({ caption }) => (typeof caption === "string" ? [caption] : []));
    const text = image.text ?? image.caption ?? captions;
    const regions = own.filter(
      ({ bbox, segmentation, caption }) => isGiven(bbox) || isGiven(segmentation) || !isGiven(caption),
    );
    const boxes = regions.map((annotation) => region(annotation, label(annotation), { names, knowsTruth }));
    return {
      number,
      values: {
        ...image,
        image: image.file_name,
        text,
        boxes: boxes.length > 0 ? boxes : undefined,
        region_attributes: undefined,
      },
      size: sizeOf(image),
    };
  });
  for (const [id, own] of strangers) {
    const whose = `${own.length === 1 ? "belongs" : `and ${own.length - 1} more belong`} to`;
    const image = id === undefined ? "no image: no image_id" : `the image ${id}, which is not in the file`;
    const problem = new VillaError("InvalidFile", `annotation ${label(own[0]!)} ${whose} ${image}`);
    records.push({ number: records.length, problem });
  }
  return records;
}

/** An annotation as a box with its true attributes, or what is wrong with it. */
function region(
  { bbox, segmentation, category_id, attributes }: Entry,
  label: string,
  { names, knowsTruth }: { names: ReadonlyMap<string, string>; knowsTruth: boolean },
): unknown {
  // Tools write an empty list where there are boxes alone.
  const mask = Array.isArray(segmentation) && segmentation.length === 0 ? undefined : (segmentation ?? undefined);
  if (!isGiven(bbox) && mask === undefined) {
    return new BadBox(`annotation ${label} has neither a bbox, a segmentation nor a caption`);
  }
  const category = idOf(category_id);
  if (isGiven(category_id) && (category === undefined || !names.has(category))) {
    return new BadBox(
      `annotation ${label} has the category "${category ?? typeof category_id}", which is not in the file`,
    );
  }
  const others: unknown[] = Array.isArray(attributes) ? attributes : [];
  if (category === undefined && knowsTruth && !Array.isArray(attributes)) {
    return new BadBox(`annotation ${label} has neither a category_id nor attributes`);
  }
  const own = category === undefined ? others : [names.get(category), ...others];
  return { id: label, bbox, mask, attributes: knowsTruth ? own : undefined };
}

/** Names by id. @throws VillaError `InvalidFile` for categories that cannot be told apart, or have no name */
function categoryNames(path: string, categories: readonly Entry[]): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const [i, { id, name }] of categories.entries()) {
    const key = idOf(id);
    if (key === undefined) throw new VillaError("InvalidFile", `Category ${i} (from 0) of ${path} has no id.`);
    if (names.has(key)) throw new VillaError("InvalidFile", `${path} has two categories with the id ${key}.`);
    const text = typeof name === "number" ? `${name}` : name;
    if (typeof text !== "string" || text.trim() === "") {
      throw new VillaError("InvalidFile", `The category with the id ${key} of ${path} has no name.`);
    }
    names.set(key, text);
  }
  return names;
}

/** The size that the file says the picture has; 0 and null say nothing. */
function sizeOf({ width, height }: Entry): { width: number; height: number } | undefined {
  return Number(width) > 0 && Number(height) > 0 ? { width: Number(width), height: Number(height) } : undefined;
}

const isGiven = (value: unknown): boolean => value !== undefined && value !== null;

/** An id as a text. @returns undefined for anything that is not an id */
function idOf(value: unknown): string | undefined {
  if (typeof value === "number") return `${value}`;
  return typeof value === "string" && value.trim() !== "" ? value.trim() : undefined;
}

function grouped(entries: readonly Entry[], id: (entry: Entry) => unknown): Map<string | undefined, Entry[]> {
  const groups = new Map<string | undefined, Entry[]>();
  for (const entry of entries) {
    const key = idOf(id(entry));
    const own = groups.get(key);
    if (own) own.push(entry);
    else groups.set(key, [entry]);
  }
  return groups;
}

function lists(path: string, value: unknown) {
  const { images, annotations = [], categories = [] } = (value ?? {}) as Record<string, unknown>;
  const isRecords = (list: unknown): list is Entry[] =>
    Array.isArray(list) && list.every((item) => typeof item === "object" && item !== null);
  if (!isRecords(images) || !isRecords(annotations) || !isRecords(categories)) {
    throw new VillaError(
      "InvalidFile",
      `${path} is not in COCO's format: it needs lists of images, annotations and categories.`,
    );
  }
  return { images, annotations, categories };
}

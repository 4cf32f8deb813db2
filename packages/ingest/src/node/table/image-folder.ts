import { readdir } from "node:fs/promises";
import { extname, isAbsolute, join, posix } from "node:path";
import { VillaError } from "@villa/data";
import { fileError } from "@villa/data/node";
import { splitAliases } from "../../row.ts";
import type { TableRecord } from "../../table-record.ts";
import { csv } from "./csv.ts";
import { jsonl } from "./jsonl.ts";
import { parquet } from "./parquet.ts";
import type { TableFormat, TableReadOptions } from "./table-format.ts";

/**
 * A folder of images as Hugging Face's `imagefolder` has it. Where files metadata.jsonl, metadata.csv or metadata.parquet
 * lie in it, their rows are the images: `file_name` counts from the file's folder, and `objects` with `bbox` (left, top,
 * width, height) and `categories` are boxes, `segmentation` their masks as COCO has them. Otherwise a picture's folder is its class, which is its attribute and its
 * text. Folders named train, validation, test and the like are splits.
 */
export const imageFolder: TableFormat = {
  extensions: [],
  isRectangular: false,
  async open(path, options) {
    const metadata: string[] = [];
    let pictures = 0;
    for await (const file of filesIn(path)) {
      if (metadataFormat(file)) metadata.push(file);
      else if (isPicture(file)) pictures++;
    }
    if (pictures === 0 && metadata.length === 0) {
      throw new VillaError(
        "InvalidFile",
        `The folder ${path} holds neither pictures nor a metadata.csv or metadata.jsonl.`,
      );
    }
    return {
      expectedRows: pictures,
      records: () => (metadata.length > 0 ? metadataRecords(path, metadata, options) : classRecords(path)),
    };
  },
};

const pictures = new Set([".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".gif", ".avif", ".dcm"]);
const isPicture = (file: string): boolean => pictures.has(extname(file).toLowerCase());

/** How a file of metadata is read; undefined for other files. */
export function metadataFormat(file: string): TableFormat | undefined {
  const formats: Record<string, TableFormat> = { ".csv": csv, ".jsonl": jsonl, ".parquet": parquet };
  return posix.basename(file, extname(file)) === "metadata" ? formats[extname(file)] : undefined;
}

/** Paths of all files, with forward slashes, in a fixed order. Hidden files and folders are left out. */
export async function* filesIn(folder: string, under = ""): AsyncGenerator<string> {
  const entries = await readdir(join(folder, under), { withFileTypes: true }).catch((error: unknown) => {
    throw fileError(error, { path: join(folder, under), doing: "read" });
  });
  entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  for (const entry of entries) {
    if (entry.name.startsWith(".")) continue;
    const path = posix.join(under, entry.name);
    if (entry.isDirectory()) yield* filesIn(folder, path);
    else yield path;
  }
}

async function* metadataRecords(
  folder: string,
  files: readonly string[],
  options: TableReadOptions,
): AsyncGenerator<TableRecord> {
  let number = 0;
  const columns = new Set([...options.columns, "file_name", "caption", "objects", "label"]);
  for (const file of files) {
    const table = await metadataFormat(file)!.open(join(folder, file), { ...options, columns, lines: 0 });
    for await (const { values, problem } of table.records()) {
      if (problem) yield { number, problem };
      else yield { number, ...metadataRow(values, posix.dirname(file)) };
      number++;
    }
  }
}

function metadataRow(values: Readonly<Record<string, unknown>>, folder: string) {
  const { file_name: name, text = values.caption, objects, boxes = boxesOf(objects), label } = values;
  const [masks, labelMap] = [pathsIn(folder, values.masks), pathsIn(folder, values.label_map)];
  if (typeof name !== "string" || name === "") {
    return { problem: new VillaError("InvalidFile", "it has no file_name") };
  }
  const image = posix.join(folder, name.replaceAll("\\", "/"));
  // A label is taken as a class where it is a word, not a number.
  const { attributes = typeof label === "string" && label !== "" ? [label] : undefined } = values;
  return {
    values: { split: splitOf(image), ...values, image, text, boxes, masks, label_map: labelMap, attributes },
  };
}

/** Paths from the file of metadata on; masks that are not paths stay as they are. */
function pathsIn(folder: string, value: unknown): unknown {
  if (typeof value === "string" && value.trim().startsWith("[")) return pathsIn(folder, parsed(value) ?? value);
  if (Array.isArray(value))
    return value.map((each: unknown) => (typeof each === "string" ? inside(folder, each) : each));
  return typeof value === "string"
    ? value
        .split(/[;|]/)
        .map((each) => inside(folder, each.trim()))
        .join("; ")
    : value;
}

const inside = (folder: string, path: string): string =>
  path === "" || isAbsolute(path) ? path : posix.join(folder, path.replaceAll("\\", "/"));

/** `{ bbox: [[left, top, width, height], …], categories: [name, …], segmentation: […] }` as boxes with attributes, masks. */
function boxesOf(objects: unknown): unknown {
  const value: unknown = typeof objects === "string" && objects.trim().startsWith("{") ? parsed(objects) : objects;
  const { bbox, categories, category = categories, segmentation } = (value ?? {}) as Record<string, unknown>;
  if (!Array.isArray(bbox)) return undefined;
  const masks = Array.isArray(segmentation) && segmentation.length === bbox.length ? segmentation : undefined;
  const names = Array.isArray(category) && category.every((name) => typeof name === "string") ? category : undefined;
  return bbox.map((box: unknown, i) => {
    const numbers = Array.isArray(box) ? box.map(Number) : [];
    const [x = Number.NaN, y = Number.NaN, width = Number.NaN, height = Number.NaN] = numbers;
    return { box: [x, y, x + width, y + height], mask: masks?.[i], attributes: names && [names[i]] };
  });
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}

async function* classRecords(folder: string): AsyncGenerator<TableRecord> {
  let number = 0;
  for await (const image of filesIn(folder)) {
    if (!isPicture(image)) continue;
    const name = posix.basename(posix.dirname(image));
    const text = name.replaceAll(/[_-]+/g, " ");
    if (name === "." || splitAliases.has(name.toLowerCase())) {
      yield {
        number,
        problem: new VillaError("InvalidFile", `${image} lies in no folder of a class, and no metadata tells its text`),
      };
    } else yield { number, values: { image, text, attributes: [text], split: splitOf(image) } };
    number++;
  }
}

/** The split that a path names. */
function splitOf(path: string): string | undefined {
  return posix
    .dirname(path)
    .split("/")
    .find((part) => splitAliases.has(part.toLowerCase()));
}

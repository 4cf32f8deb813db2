import { decodeJson, joinSentences, VillaError } from "@villa/data";
import { readFileBytes } from "@villa/data/node";
import type { TableFormat, TableRecord } from "./table-format.ts";

/** A COCO file: images, annotations with boxes or captions, and categories. It is read as a whole. */
export const cocoFormat: TableFormat = {
  extensions: [".json"],
  isRectangular: false,
  boxFormat: "xywh",
  async open({ path }) {
    const records = await cocoRecords(path);
    return {
      expected: records.length,
      records: async function* () {
        yield* records;
      },
    };
  },
};

interface CocoAnnotation {
  readonly id?: unknown;
  readonly image_id?: unknown;
  readonly bbox?: unknown;
  readonly category_id?: unknown;
  readonly caption?: unknown;
  readonly attributes?: unknown;
}

/**
 * Records of a COCO file, one an image: its size, its boxes, each with its category (and its `attributes`, if it has such a
 * list), and as text the image's own `text` or `caption` or else all captions among the annotations. Ids are compared by
 * their digits: "1" is 1. An image whose id another one has, or whose annotation names a category that is not there, gives
 * the error in its place.
 *
 * @throws VillaError `InvalidFile` for what is not in COCO's format, categories without a name or of one id, and
 *   annotations of images that are not there
 */
export async function cocoRecords(path: string): Promise<TableRecord[]> {
  const { images, annotations, categories } = parse(path, await readFileBytes(path));
  const names = categoryNames(path, categories);
  const byImage = new Map<string, CocoAnnotation[]>();
  const filesById = new Map<string, unknown[]>();
  for (const { id, file_name } of images) {
    if (id === undefined) continue;
    filesById.set(String(id), [...(filesById.get(String(id)) ?? []), file_name]);
    byImage.set(String(id), []);
  }
  const strays = annotations.filter(({ image_id }) => !byImage.has(String(image_id)));
  if (strays.length > 0) {
    const [first] = strays;
    const more = strays.length > 1 ? ` (and ${strays.length - 1} more of the kind)` : "";
    throw new VillaError(
      "InvalidFile",
      `${path}: ${nameOf(first!)} belongs to image ${shown(first!.image_id)}, which the file does not list${more}; list the image, or take its annotations out.`,
    );
  }
  for (const annotation of annotations) byImage.get(String(annotation.image_id))!.push(annotation);
  return images.map((image, number): TableRecord => {
    const own = image.id === undefined ? [] : byImage.get(String(image.id))!;
    const problem = problemOf(image, own, { names, filesById });
    if (problem !== undefined) return { number, problem: new VillaError("InvalidFile", problem) };
    const regions = own.filter(({ bbox }) => bbox !== undefined);
    const captions = own.flatMap(({ caption }) => (typeof caption === "string" ? [caption] : []));
    const text =
      image.text ?? image.caption ?? joinSentences(captions.map((caption) => caption.trim().replace(/\.$/, "")));
    const values = {
      ...image,
      image: image.file_name,
      text,
      boxes:
        regions.length > 0
          ? regions.map((annotation) => ({
              name: `bbox of ${nameOf(annotation)}`,
              bbox: annotation.bbox,
              attributes: attributesOf(annotation, names),
            }))
          : undefined,
    };
    return { number, values, size: sizeOf(image) };
  });
}

function categoryNames(path: string, categories: readonly Record<string, unknown>[]): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const { id, name } of categories) {
    if (typeof name !== "string" || name.trim() === "") {
      throw new VillaError("InvalidFile", `${path}: the category ${shown(id)} has no name.`);
    }
    const before = names.get(String(id));
    if (before !== undefined) {
      throw new VillaError(
        "InvalidFile",
        `${path}: the categories "${before}" and "${name}" share the id ${shown(id)}.`,
      );
    }
    names.set(String(id), name);
  }
  return names;
}

function problemOf(
  { id }: Readonly<Record<string, unknown>>,
  annotations: readonly CocoAnnotation[],
  { names, filesById }: { names: ReadonlyMap<string, string>; filesById: ReadonlyMap<string, unknown[]> },
): string | undefined {
  const files = filesById.get(String(id)) ?? [];
  if (files.length > 1) {
    return `its id ${shown(id)} is that of ${files.length} images (${files.slice(0, 3).join(", ")}), so that nobody knows whose annotations are whose`;
  }
  const stray = annotations.find(({ category_id }) => category_id !== undefined && !names.has(String(category_id)));
  if (!stray) return undefined;
  return `${nameOf(stray)} is of category ${shown(stray.category_id)}, which the file does not list`;
}

function attributesOf({ category_id, attributes }: CocoAnnotation, names: ReadonlyMap<string, string>): unknown[] {
  const category = names.get(String(category_id));
  return [...(category === undefined ? [] : [category]), ...(Array.isArray(attributes) ? attributes : [])];
}

/** What the file says of a picture's size. */
function sizeOf({ width, height }: Readonly<Record<string, unknown>>) {
  return typeof width === "number" && typeof height === "number" ? { width, height } : undefined;
}

const shown = (id: unknown): string => (id === undefined ? "(none)" : JSON.stringify(id));
const nameOf = ({ id }: CocoAnnotation): string => (id === undefined ? "an annotation" : `annotation ${shown(id)}`);

function parse(path: string, bytes: Uint8Array) {
  const value = decodeJson(bytes, path);
  const { images, annotations = [], categories = [] } = (value ?? {}) as Record<string, unknown>;
  const isRecords = (list: unknown): list is Record<string, unknown>[] =>
    Array.isArray(list) && list.every((item) => typeof item === "object" && item !== null);
  if (!isRecords(images) || !isRecords(annotations) || !isRecords(categories)) {
    const hint = images === undefined ? " (a file with one object a line ends in .jsonl)" : "";
    throw new VillaError(
      "InvalidFile",
      `${path} is not in COCO's format: it needs lists of images, annotations and categories${hint}.`,
    );
  }
  return { images, annotations: annotations as CocoAnnotation[], categories };
}

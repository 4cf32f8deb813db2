import { type ImageSize, rleArea, rleBox, VillaError } from "@villa/data";
import { boxWarnings } from "./box-warnings.ts";
import type { CocoDataset, DetectionWarning, IouType } from "./coco-format.ts";
import { MaskStore } from "./mask-store.ts";
import { isSide, type ObjectColumns, readBox, readId, readMask, readRecord } from "./read-objects.ts";

/** A category with the name to print. */
export interface TruthCategory {
  readonly id: number;
  readonly name: string;
}

/** A checked truth, by columns. */
export interface Truth extends ObjectColumns {
  /** Ids of the images, ascending; `image` counts along it. */
  readonly imageIds: readonly number[];
  /** Sizes of the images, where the file has them. */
  readonly sizes: readonly (ImageSize | undefined)[];
  /** The categories by ascending id; `category` counts along it. */
  readonly categories: readonly TruthCategory[];
  /** [n] ids of the annotations. */
  readonly ids: Float64Array;
  /** [n] 1 for a crowd. */
  readonly crowd: Uint8Array;
  /** [n] 1 for the annotation's own `ignore`. */
  readonly ignore: Uint8Array;
  readonly warnings: readonly DetectionWarning[];
}

/**
 * Reads and checks an annotation file.
 *
 * @throws VillaError `InvalidFile` for data that are not of the format, `Mismatch` for ids that are given twice or
 *   nowhere
 */
export function readTruth(dataset: CocoDataset, iouType: IouType): Truth {
  const { images, annotations, categories } = readRecord(dataset, "The truth");
  const imageList = listOf(images, "images");
  const annotationList = listOf(annotations, "annotations");
  const categoryList = listOf(categories, "categories");
  const { ids: imageIds, records: imageRecords, places: imagePlaces } = sortedById(imageList, "image");
  const { ids: categoryIds, records: categoryRecords, places: categoryPlaces } = sortedById(categoryList, "category");
  const sizes = imageRecords.map(sizeOf);
  const count = annotationList.length;
  const columns = {
    image: new Int32Array(count),
    category: new Int32Array(count),
    boxes: new Float64Array(4 * count).fill(Number.NaN),
    area: new Float64Array(count),
    ids: new Float64Array(count),
    crowd: new Uint8Array(count),
    ignore: new Uint8Array(count),
  };
  const masks = iouType === "segm" ? new MaskStore() : undefined;
  const seen = new Set<number>();
  let computedAreas = 0;
  annotationList.forEach((item, i) => {
    const annotation = readRecord(item, `Entry ${i} of "annotations"`);
    const id = readId(annotation.id, `The id of entry ${i} of "annotations"`);
    const where = `Annotation ${id}`;
    if (seen.has(id))
      throw new VillaError("Mismatch", `Two annotations have the id ${id}; give each an id of its own.`);
    seen.add(id);
    columns.ids[i] = id;
    columns.image[i] = placeOf(imagePlaces, annotation.image_id, `${where} is of image`);
    columns.category[i] = placeOf(categoryPlaces, annotation.category_id, `${where} is of category`);
    columns.crowd[i] = readFlag(annotation.iscrowd, `${where} has "iscrowd"`);
    columns.ignore[i] = readFlag(annotation.ignore, `${where} has "ignore"`);
    if (masks === undefined || annotation.bbox != null) {
      readBox(annotation.bbox, { boxes: columns.boxes, i, where });
    }
    let maskArea: number | undefined;
    if (masks) {
      const mask = readMask(annotation.segmentation, { size: sizes[columns.image[i]!], where: where.toLowerCase() });
      masks.push(mask);
      maskArea = rleArea(mask);
      if (annotation.bbox == null) columns.boxes.set(rleBox(mask), 4 * i);
    }
    if (annotation.area === undefined) {
      computedAreas++;
      columns.area[i] = maskArea ?? columns.boxes[4 * i + 2]! * columns.boxes[4 * i + 3]!;
    } else {
      columns.area[i] = readArea(annotation.area, where);
    }
  });
  return {
    ...columns,
    count,
    masks,
    imageIds,
    sizes,
    categories: categoryIds.map((id, k) => ({ id, name: nameOf(categoryRecords[k]!, id) })),
    warnings: [
      ...areaWarning(computedAreas, { count, iouType }),
      ...zeroWarning(seen),
      ...boxWarnings({ ...columns, count, sizes, of: "annotations" }),
    ],
  };
}

function listOf(value: unknown, name: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new VillaError("InvalidFile", `The truth has no list "${name}"; give a COCO or LVIS annotation file.`);
}

function sortedById(list: readonly unknown[], kind: "image" | "category") {
  const entries = list.map((item, i) => {
    const record = readRecord(item, `Entry ${i} of the ${kind === "image" ? "images" : "categories"}`);
    return { id: readId(record.id, `The id of ${kind} ${i}`), record };
  });
  entries.sort((a, b) => a.id - b.id);
  const places = new Map<number, number>();
  entries.forEach(({ id }, place) => {
    if (places.has(id)) {
      const plural = kind === "image" ? "images" : "categories";
      throw new VillaError("Mismatch", `Two ${plural} have the id ${id}; give each an id of its own.`);
    }
    places.set(id, place);
  });
  return { ids: entries.map(({ id }) => id), records: entries.map(({ record }) => record), places };
}

function placeOf(places: ReadonlyMap<number, number>, value: unknown, what: string): number {
  const place = typeof value === "number" ? places.get(value) : undefined;
  if (place !== undefined) return place;
  throw new VillaError("Mismatch", `${what} ${JSON.stringify(value)}, which the truth does not list.`);
}

function sizeOf(image: Readonly<Record<string, unknown>>): ImageSize | undefined {
  const { width, height } = image;
  if (width == null && height == null) return undefined;
  if (isSide(width) && isSide(height)) return { width, height };
  const size = `${JSON.stringify(width)} × ${JSON.stringify(height)}`;
  throw new VillaError("InvalidFile", `Image ${String(image.id)} is ${size} large; give whole pixels.`);
}

function nameOf(category: Readonly<Record<string, unknown>>, id: number): string {
  return typeof category.name === "string" ? category.name : String(id);
}

function readFlag(value: unknown, what: string): 0 | 1 {
  if (value === undefined || value === 0 || value === false) return 0;
  if (value === 1 || value === true) return 1;
  throw new VillaError("InvalidFile", `${what} ${JSON.stringify(value)}, not 0 or 1.`);
}

function readArea(value: unknown, where: string): number {
  if (typeof value === "number" && Number.isFinite(value)) return value;
  throw new VillaError("InvalidFile", `${where} has the "area" ${JSON.stringify(value)}, not a number.`);
}

function areaWarning(
  computed: number,
  { count, iouType }: { readonly count: number; readonly iouType: IouType },
): DetectionWarning[] {
  if (computed === 0) return [];
  const message = `${computed} of ${count} annotations have no "area", which decides what is small, medium and large; it is taken from their ${iouType === "bbox" ? "boxes" : "masks"}.`;
  return [{ code: "AreasComputed", message }];
}

function zeroWarning(ids: ReadonlySet<number>): DetectionWarning[] {
  if (!ids.has(0)) return [];
  const message =
    "An annotation has the id 0, which pycocotools and lvis-api take for no match at all, and so do these numbers; number annotations from 1.";
  return [{ code: "AnnotationIdZero", message }];
}

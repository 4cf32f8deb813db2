import { type ImageSize, polygonsRle, type Rle, rleArea, rleBox, VillaError } from "@villa/data";
import { boxWarnings } from "./box-warnings.ts";
import type { CocoDetection, DetectionWarning, IouType } from "./coco-format.ts";
import { MaskStore } from "./mask-store.ts";
import { type ObjectColumns, readBox, readMask, readRecord } from "./read-objects.ts";
import type { Truth } from "./read-truth.ts";

/** Checked detections, by columns. */
export interface Detections extends ObjectColumns {
  /** [n] */
  readonly score: Float64Array;
  readonly warnings: readonly DetectionWarning[];
}

/** How detections are read. */
export interface ReadDetectionsOptions {
  readonly truth: Truth;
  readonly iouType: IouType;
  /** What to do with detections of categories that the truth does not list: refuse them, or leave them out. */
  readonly unknownCategories: "refuse" | "ignore";
}

/**
 * Reads and checks a results list.
 *
 * Where the first detection has a box, all must have one, and `area` is the box's even where masks are compared; where it
 * has none, boxes and areas are those of the masks. Where masks are compared and a detection has only a box, its mask is
 * the box. All three are what `loadRes` of pycocotools does.
 *
 * @throws VillaError `InvalidFile` for data that are not of the format, `Mismatch` for an image or category that the
 * truth does not list, `NotFinite` for a score of NaN or infinity
 */
export function readDetections(list: readonly CocoDetection[], options: ReadDetectionsOptions): Detections {
  const { truth, iouType, unknownCategories } = options;
  if (!Array.isArray(list)) throw new VillaError("InvalidFile", "The detections are not a list of COCO results.");
  const count = list.length;
  const columns = {
    image: new Int32Array(count),
    category: new Int32Array(count),
    boxes: new Float64Array(4 * count).fill(Number.NaN),
    area: new Float64Array(count),
    score: new Float64Array(count),
  };
  const imagePlaces = new Map(truth.imageIds.map((id, place) => [id, place]));
  const categoryPlaces = new Map(truth.categories.map(({ id }, place) => [id, place]));
  const masks = iouType === "segm" ? new MaskStore() : undefined;
  const haveBoxes = hasBox(list[0]);
  const unknown = new Set<unknown>();
  for (let i = 0; i < count; i++) {
    const item: unknown = list[i];
    const detection = readRecord(item, `Detection ${i}`);
    const image = imagePlaces.get(detection.image_id as number);
    if (image === undefined) throw unlisted(i, "image", detection.image_id);
    const category = categoryPlaces.get(detection.category_id as number);
    if (category === undefined) {
      if (unknownCategories === "refuse") throw unlisted(i, "category", detection.category_id);
      unknown.add(detection.category_id);
    }
    columns.image[i] = image;
    columns.category[i] = category ?? -1;
    columns.score[i] = readScore(detection.score, i);
    if (haveBoxes) {
      readBox(detection.bbox, { boxes: columns.boxes, i, where: `Detection ${i}` });
      columns.area[i] = columns.boxes[4 * i + 2]! * columns.boxes[4 * i + 3]!;
    }
    if (masks || !haveBoxes) {
      const mask = maskOf(detection, { i, size: truth.sizes[image], boxes: haveBoxes ? columns.boxes : undefined });
      masks?.push(mask);
      if (!haveBoxes) {
        columns.area[i] = rleArea(mask);
        if (hasBox(detection)) readBox(detection.bbox, { boxes: columns.boxes, i, where: `Detection ${i}` });
        else columns.boxes.set(rleBox(mask), 4 * i);
      }
    }
  }
  const warnings = [
    ...emptyWarning(count),
    ...unknownWarning(unknown),
    ...(haveBoxes ? boxWarnings({ ...columns, count, sizes: truth.sizes, of: "detections" }) : []),
  ];
  return { ...columns, count, masks, warnings };
}

function hasBox(detection: unknown): boolean {
  const { bbox } = (detection ?? {}) as { bbox?: unknown };
  return Array.isArray(bbox) && bbox.length > 0;
}

function readScore(value: unknown, i: number): number {
  if (typeof value === "number" && Number.isFinite(value)) return value;
  if (typeof value === "number") {
    throw new VillaError("NotFinite", `Detection ${i} has the score ${value}; the model that made it has diverged.`);
  }
  throw new VillaError("InvalidFile", `Detection ${i} has the score ${JSON.stringify(value)}, not a number.`);
}

interface MaskSource {
  readonly i: number;
  readonly size: ImageSize | undefined;
  /** Where detections without a mask take their box from. */
  readonly boxes: Float64Array | undefined;
}

function maskOf(detection: Readonly<Record<string, unknown>>, { i, size, boxes }: MaskSource): Rle {
  if (detection.segmentation === undefined && boxes && size) {
    const [x, y, width, height] = boxes.subarray(4 * i, 4 * i + 4) as unknown as [number, number, number, number];
    return polygonsRle([[x, y, x, y + height, x + width, y + height, x + width, y]], size);
  }
  return readMask(detection.segmentation, { size, where: `detection ${i}` });
}

function unlisted(i: number, kind: "image" | "category", id: unknown): VillaError {
  const cure =
    kind === "image"
      ? "give the annotations that the detector ran on"
      : "map the detector's categories to the truth's, or leave such detections out on purpose";
  const message = `Detection ${i} is of ${kind} ${JSON.stringify(id)}, which the truth does not list; ${cure}.`;
  return new VillaError("Mismatch", message);
}

function emptyWarning(count: number): DetectionWarning[] {
  return count > 0 ? [] : [{ code: "NoDetections", message: "There are no detections: nothing is found." }];
}

function unknownWarning(unknown: ReadonlySet<unknown>): DetectionWarning[] {
  if (unknown.size === 0) return [];
  const [first] = unknown;
  const message = `Detections of ${unknown.size} categories that the truth does not list (such as ${JSON.stringify(first)}) are left out.`;
  return [{ code: "UnknownCategories", message }];
}

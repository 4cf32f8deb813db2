import { joinSentences, VillaError } from "@villa/data";
import { readFileBytes } from "@villa/data/node";
import type { TableRecord } from "./open-table.ts";

interface CocoAnnotation {
  readonly image_id?: unknown;
  readonly bbox?: unknown;
  readonly category_id?: unknown;
  readonly caption?: unknown;
  readonly attributes?: unknown;
}

/**
 * Records of a COCO file, one an image: boxes as xyxy, each with its category (and its `attributes`, if it has such a
 * list), and as text the image's own `text` or `caption` or else all captions among the annotations. The file is read as a
 * whole.
 *
 * @throws VillaError `InvalidFile`
 */
export async function cocoRecords(path: string): Promise<TableRecord[]> {
  const coco = parse(path, await readFileBytes(path));
  const categories = new Map(coco.categories.map(({ id, name }) => [id, String(name)]));
  const ids = new Set(coco.images.map(({ id }) => id));
  if (coco.annotations.length > 0 && !coco.annotations.some(({ image_id }) => ids.has(image_id))) {
    throw new VillaError(
      "InvalidFile",
      `None of the annotations in ${path} belongs to one of its images: no image has the id ${JSON.stringify(coco.annotations[0]!.image_id)}, for instance.`,
    );
  }
  const byImage = new Map<unknown, CocoAnnotation[]>();
  for (const annotation of coco.annotations) {
    const own = byImage.get(annotation.image_id);
    if (own) own.push(annotation);
    else byImage.set(annotation.image_id, [annotation]);
  }
  return coco.images.map((image, number) => {
    const own = byImage.get(image.id) ?? [];
    const regions = own.filter(({ bbox }) => bbox !== undefined);
    const captions = own.flatMap(({ caption }) => (typeof caption === "string" ? [caption] : []));
    const text =
      image.text ?? image.caption ?? joinSentences(captions.map((caption) => caption.trim().replace(/\.$/, "")));
    const values = {
      ...image,
      image: image.file_name,
      text,
      boxes: regions.length > 0 ? regions.map(({ bbox }) => corners(bbox)) : undefined,
      region_attributes:
        regions.length > 0
          ? regions.map(({ category_id, attributes }) => [
              ...(categories.has(category_id) ? [categories.get(category_id)!] : []),
              ...(Array.isArray(attributes) ? attributes : []),
            ])
          : undefined,
    };
    return { number, values };
  });
}

function corners(bbox: unknown): unknown {
  if (!Array.isArray(bbox) || bbox.length !== 4) return bbox;
  const [x, y, width, height] = bbox.map(Number) as [number, number, number, number];
  return [x, y, x + width, y + height];
}

function parse(path: string, bytes: Uint8Array) {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new VillaError(
      "InvalidFile",
      `${path} is not valid JSON in utf-8 (a file with one object a line is .jsonl).`,
      {
        cause,
      },
    );
  }
  const { images, annotations = [], categories = [] } = (value ?? {}) as Record<string, unknown>;
  const isRecords = (list: unknown): list is Record<string, unknown>[] =>
    Array.isArray(list) && list.every((item) => typeof item === "object" && item !== null);
  if (!isRecords(images) || !isRecords(annotations) || !isRecords(categories)) {
    throw new VillaError(
      "InvalidFile",
      `${path} is not in COCO's format: it needs lists of images, annotations and categories.`,
    );
  }
  return { images, annotations: annotations as CocoAnnotation[], categories };
}

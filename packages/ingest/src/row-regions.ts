import { type Box, isVillaError } from "@villa/data";
import { distinct, fail, fromJson, isList, words } from "./row-values.ts";

/** `xywh`: left, top, width, height, as in COCO. */
export type BoxFormat = "xyxy" | "xywh";

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
export function withMasks(boxes: unknown, masks: unknown): unknown {
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
export function parseBoxes(
  value: unknown,
  { format, onBadBox }: { readonly format: BoxFormat; readonly onBadBox: ((problem: string) => void) | undefined },
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
export function attributesOfRegions(column: unknown, regions: ParsedBoxes | undefined): string[][] | undefined {
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
export function attributesOfLabels(column: unknown): Record<string, string[]> | undefined {
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

import { checkArgument } from "@villa/data";
import { type Box, boxIou } from "../box.ts";
import type { CocoDataset, CocoDetection } from "./coco-format.ts";
import type { DetectionDetails } from "./evaluation.ts";

/**
 * What went wrong: the right place with another category (`category`), the right category with too little overlap
 * (`location`), an object found a second time (`duplicate`), a place without an object (`background`), an object that
 * no detection found (`missed`).
 */
export type MistakeKind = "category" | "location" | "duplicate" | "background" | "missed";

/** A wrong detection, or an object that was missed. */
export interface DetectionMistake {
  readonly kind: MistakeKind;
  readonly imageId: number;
  /** Place in the results list; undefined for a missed object. */
  readonly detection?: number | undefined;
  /** Place in `annotations` of the object concerned; undefined on background. */
  readonly annotation?: number | undefined;
  /** Of the detection; 0 for a missed object. */
  readonly score: number;
  /** Overlap of the detection's box with the object's. */
  readonly iou: number;
}

/** What {@link detectionMistakes} looks at. */
export interface MistakesInput {
  readonly truth: CocoDataset;
  readonly detections: readonly CocoDetection[];
  readonly evaluation: Pick<DetectionDetails<string>, "found" | "unjudged" | "boxes" | "truthBoxes">;
}

/** Below this overlap a detection has nothing to do with an object. */
const leastOverlap = 0.1;

/**
 * The mistakes at an overlap of 0.5, from the most confident wrong detection to the objects that were missed.
 *
 * A wrong detection is, in this order: a duplicate where it overlaps an object of its category by at least 0.5, which another
 * detection found; of the wrong category where it overlaps another object by as much; beside its place where it overlaps one of
 * its own by at least 0.1; else background.
 * Crowds are not looked at. Overlaps are those of boxes, which masks without one have from their outermost pixels.
 *
 * @see Bolya et al., TIDE: A General Toolbox for Identifying Object Detection Errors, ECCV 2020, section 2.2
 */
export function detectionMistakes(input: MistakesInput): DetectionMistake[] {
  checkArgument("input", input, {
    truth: { images: ["object"], annotations: ["object"], categories: ["object"] },
    detections: ["object"],
    evaluation: { found: "numbers", unjudged: "bytes", boxes: "numbers", truthBoxes: "numbers" },
  });
  const { truth, detections, evaluation } = input;

  const objects = new Map<number, number[]>();
  truth.annotations.forEach(({ image_id, iscrowd }, a) => {
    if (iscrowd) return;
    const own = objects.get(image_id);
    if (own) own.push(a);
    else objects.set(image_id, [a]);
  });
  const foundObjects = new Set(evaluation.found.filter((a) => a >= 0));
  const mistakes: DetectionMistake[] = [];
  detections.forEach((detection, d) => {
    if (evaluation.found[d]! >= 0 || evaluation.unjudged[d] === 1) return;
    const box = boxAt(evaluation.boxes, d);
    const nearby = (objects.get(detection.image_id) ?? []).map((a) => ({
      a,
      iou: boxIou(box, boxAt(evaluation.truthBoxes, a)),
    }));
    const isOwn = ({ a }: { a: number }) => truth.annotations[a]!.category_id === detection.category_id;
    const own = largest(nearby.filter(isOwn));
    const other = largest(nearby.filter((each) => !isOwn(each)));
    const { kind, object } = judge({ own, other });
    mistakes.push({
      kind,
      imageId: detection.image_id,
      detection: d,
      annotation: object?.a,
      score: detection.score,
      iou: object?.iou ?? 0,
    });
  });
  for (const [imageId, own] of objects) {
    for (const a of own) {
      if (!foundObjects.has(a)) mistakes.push({ kind: "missed", imageId, annotation: a, score: 0, iou: 0 });
    }
  }
  return mistakes.sort((a, b) => b.score - a.score);
}

interface Nearby {
  readonly a: number;
  readonly iou: number;
}

function judge({ own, other }: { own: Nearby | undefined; other: Nearby | undefined }): {
  kind: MistakeKind;
  object?: Nearby | undefined;
} {
  if (own && own.iou >= 0.5) return { kind: "duplicate", object: own };
  if (other && other.iou >= 0.5) return { kind: "category", object: other };
  if (own && own.iou >= leastOverlap) return { kind: "location", object: own };
  return { kind: "background" };
}

function largest(nearby: readonly Nearby[]): Nearby | undefined {
  return nearby.reduce<Nearby | undefined>((best, each) => (best && best.iou >= each.iou ? best : each), undefined);
}

/** The corners of a box. */
function boxAt(boxes: Float64Array, i: number): Box {
  const [x, y, width, height] = boxes.subarray(4 * i, 4 * i + 4) as unknown as [number, number, number, number];
  return [x, y, x + width, y + height];
}

import { type ImageAnnotation, RandomState, VillaError } from "@villa/data";
import type { Box } from "@villa/metrics";
import { type AttributeClass, classPrompts, pyramidBoxes } from "@villa/vlm";
import { openScorer, type RegionScorer } from "@villa/vlm/node";
import { readJsonFile } from "./read-json.ts";
import type { EvaluateFlags, InputFile, TaskContext } from "./task.ts";

/** Opens the model and the split that the flags name, and closes them when the work is done. */
export async function withScorer<T>(
  flags: EvaluateFlags,
  { onProgress, signal }: TaskContext,
  work: (scorer: RegionScorer) => Promise<T>,
): Promise<T> {
  const { dataDir, checkpoint } = modelFlags(flags);
  if (checkpoint === "embeddings") {
    throw new VillaError(
      "InvalidArgument",
      "The dataset's own embeddings know no other boxes and texts; use --task retrieval, or give a checkpoint.",
    );
  }
  const { split, weights } = flags;
  const scorer = await openScorer({ dataDir, checkpoint, split, weights, onProgress, signal });
  try {
    return await work(scorer);
  } finally {
    scorer.dispose();
  }
}

/** @throws VillaError `InvalidArgument` when one is missing */
export function modelFlags({ dataDir, checkpoint, task }: EvaluateFlags): { dataDir: string; checkpoint: string } {
  if (dataDir !== undefined && checkpoint !== undefined) return { dataDir, checkpoint };
  const others = task === "detection" ? ", or --truth and --detections" : "";
  throw new VillaError("InvalidArgument", `Give --data-dir (the dataset) and --checkpoint (the model)${others}.`);
}

/** The files behind a model's numbers. */
export function modelInputs(flags: EvaluateFlags, scorer: Pick<RegionScorer, "dataset">): InputFile[] {
  const { checkpoint } = modelFlags(flags);
  const inputs: InputFile[] = [{ role: "annotations", path: `${scorer.dataset.directory}/annotations.feather` }];
  if (checkpoint !== "embeddings") inputs.push({ role: "checkpoint", path: checkpoint });
  return inputs;
}

/** The sentences of each class: given templates, or those of its attributes together. */
export function promptsOf(classes: readonly AttributeClass[], flags: EvaluateFlags, scorer: RegionScorer): string[][] {
  const { vocabulary } = scorer;
  const { templates } = flags;
  if (templates && templates.length > 0)
    return classPrompts(
      classes.map(({ name }) => name),
      { templates },
    );
  return classes.map(({ attributes }) => classPrompts(attributes, { vocabulary }).flat());
}

/** The true attributes of an image's regions. @throws VillaError `Mismatch` where they are not known */
export function trueAttributes({ imageId, regToAttr, regionCoord }: ImageAnnotation): readonly (readonly string[])[] {
  if (regToAttr?.length === regionCoord.length) return regToAttr;
  throw new VillaError("Mismatch", `Image ${imageId} has no true attributes (reg_to_attr); it cannot be scored.`);
}

/** Group of each image, by a field of the annotations. @throws VillaError `InvalidArgument` for one that there is not */
export function imageGroups(
  rows: readonly ImageAnnotation[],
  field: string | undefined,
): (string | number)[] | undefined {
  if (field === undefined) return undefined;
  return rows.map((row) => {
    const group = (row as unknown as Record<string, unknown>)[field];
    if (typeof group === "string" || typeof group === "number") return group;
    throw new VillaError("InvalidArgument", `Images of a dataset cannot be grouped by "${field}"; text is possible.`);
  });
}

/**
 * Proposals as the flags name them: `truth` (the dataset's boxes), `pyramid:4`, `pyramid:1-4` with an optional `:jitter`,
 * or a file of boxes.
 *
 * @returns the boxes of an image
 */
export async function proposalsOf({ proposals, seed }: EvaluateFlags): Promise<{
  readonly boxesOf: (row: ImageAnnotation) => readonly Box[];
  readonly inputs: readonly InputFile[];
}> {
  if (proposals === "truth") return { boxesOf: (row) => row.regionCoord, inputs: [] };
  const pyramid = /^pyramid(?::(\d+)(?:-(\d+))?)?(?::(0?\.\d+|0))?$/.exec(proposals);
  if (pyramid) {
    const [, from = "1", to = pyramid[1] === undefined ? "4" : from, jitter = "0"] = pyramid;
    const levels = Array.from({ length: Number(to) - Number(from) + 1 }, (_, i) => Number(from) + i);
    return {
      boxesOf: ({ imageId, imageSize: [height, width] }) =>
        // An image has the same boxes whatever the others are.
        pyramidBoxes({
          width,
          height,
          levels,
          jitter: Number(jitter),
          random: new RandomState((seed + imageId) >>> 0),
        }),
      inputs: [],
    };
  }
  return { boxesOf: await fileProposals(proposals), inputs: [{ role: "proposals", path: proposals }] };
}

/** Boxes of a COCO list, [{ image_id, bbox: [x, y, width, height] }, …]. */
async function fileProposals(path: string): Promise<(row: ImageAnnotation) => readonly Box[]> {
  const list = await readJsonFile(path);
  if (!Array.isArray(list)) {
    throw new VillaError(
      "InvalidFile",
      `${path} is no list of boxes: [{ "image_id", "bbox": [x, y, width, height] }, …].`,
    );
  }
  const boxes = new Map<unknown, Box[]>();
  list.forEach((entry: unknown, i) => {
    const { image_id: id, bbox } = (entry ?? {}) as { image_id?: unknown; bbox?: unknown };
    const sound =
      Array.isArray(bbox) && bbox.length === 4 && bbox.every(Number.isFinite) && bbox[2] >= 0 && bbox[3] >= 0;
    if (typeof id !== "number" || !sound) {
      throw new VillaError("InvalidFile", `Entry ${i} of ${path} is no box of an image: ${JSON.stringify(entry)}.`);
    }
    const [x, y, width, height] = bbox as [number, number, number, number];
    boxes.set(id, [...(boxes.get(id) ?? []), [x, y, x + width, y + height]]);
  });
  return ({ imageId, imageSize: [height, width] }) => {
    const own = boxes.get(imageId) ?? [];
    return own.map(([x0, y0, x1, y1]): Box => {
      const clip = (value: number, side: number) => Math.min(side, Math.max(0, value));
      return [clip(x0, width), clip(y0, height), clip(x1, width), clip(y1, height)];
    });
  };
}

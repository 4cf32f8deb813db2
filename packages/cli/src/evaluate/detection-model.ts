import { type ImageAnnotation, VillaError } from "@villa/data";
import type { Box, CocoDataset } from "@villa/metrics";
import type { AttributeClass } from "@villa/vlm";
import type { RegionScorer } from "@villa/vlm/node";
import { imageGroups, outsideIds } from "./dataset-columns.ts";
import { datasetTruth, type FramedRow, scoredDetections, segmentation } from "./dataset-detections.ts";
import { novelCategories, protocolOf } from "./detection-measure.ts";
import { detectionOutcome } from "./detection-outcome.ts";
import { type Frame, rowFrame } from "./frame.ts";
import {
  judgedClasses,
  modelFlags,
  modelInputs,
  modelSettings,
  promptsByName,
  promptsOf,
  withScorer,
} from "./model.ts";
import { framedPictures } from "./pictures.ts";
import { openProposals, within } from "./proposals.ts";
import type { EvaluateFlags, InputFile, TaskContext, TaskOutcome } from "./task.ts";
import { readTruthFile } from "./truth-file.ts";

/** `villa evaluate --task detection --data-dir --checkpoint`: a model that scores given proposals by class names. */
export function detectionModel(flags: EvaluateFlags, context: TaskContext): Promise<TaskOutcome> {
  return withScorer({ flags, ...context }, async (scorer) => {
    const { dataset, dimension } = scorer;
    const ids = await outsideIds(dataset);
    const { truth, images, classes, inputs, warnings } =
      flags.truth === undefined
        ? ownTruth(scorer, { flags, ids })
        : fileTruth(await readTruthFile(flags.truth), { path: flags.truth, scorer, ids });
    const frames = images.map(({ frame }) => frame);
    if (flags.iouType === "segm") checkMasked(flags, images);
    const proposals = await openProposals(flags, { frames, known: new Set(ids.values()) });
    const prompts = promptsOf(classes, { templates: flags.templates, vocabulary: scorer.vocabulary });
    const texts = await scorer.embedClasses(prompts);
    const frameOf = new Map(images.map(({ row, frame }) => [row.imageId, frame]));
    const embedded = await scorer.embedBoxes((row) => {
      const frame = frameOf.get(row.imageId);
      if (!frame) return [];
      const boxes = proposals.boxesOf(frame);
      return boxes === row.regionCoord ? boxes : boxes.map((box) => stored(box, frame, row));
    });
    const cosines = await scorer.cosines(embedded, texts);
    const categories = truth.categories.map(({ id }) => id);
    const rowOf = new Map(images.map(({ row, frame }) => [frame, row]));
    const detections = scoredDetections({
      frames,
      boxesOf: proposals.boxesOf,
      cosines,
      categories,
      ...flags,
      maskOf: flags.iouType === "segm" ? (frame, box) => segmentation(rowOf.get(frame)!, box) : undefined,
    });
    const rows = images.map(({ row }) => row);
    const groups = await imageGroups(dataset, { rows, column: flags.groupBy });
    const place = new Map(frames.map(({ id }, i) => [id, i]));
    const { checkpoint } = modelFlags(flags);
    const name = checkpoint.split(/[\\/]/).slice(-2).join("/");
    return detectionOutcome({
      subject: `${name} scoring ${embedded.length / dimension} proposals (${flags.proposals}) for ${classes.length} classes`,
      truth,
      detections,
      rules: {
        iouType: flags.iouType,
        protocol: protocolOf(truth, flags.protocol),
        unknownCategories: "refuse",
        novel: await novelCategories(flags.novel, truth),
      },
      paths: { truth: "truth.json", detections: "detections.json" },
      files: { "truth.json": JSON.stringify(truth), "detections.json": JSON.stringify(detections) },
      inputs: [...(await modelInputs(flags, { dataset, rows })), ...inputs, ...proposals.inputs],
      settings: {
        ...modelSettings(flags, {
          of: scorer,
          prompts: promptsByName(classes, prompts),
        }),
        proposals: flags.proposals,
        nms: flags.nms,
        temperature: flags.temperature,
        seed: flags.seed,
      },
      groups: groups && ((imageId) => groups[place.get(imageId)!]!),
      pictures: framedPictures(dataset, images),
      warnings: [...warnings, ...proposals.warnings],
    });
  });
}

/** @throws VillaError `InvalidArgument`, `Mismatch` where there are no masks to compare */
function checkMasked({ truth, proposals }: EvaluateFlags, images: readonly FramedRow[]): void {
  if (truth !== undefined || proposals !== "truth") {
    throw new VillaError(
      "InvalidArgument",
      "A model scores masks where they are the dataset's own: --iou-type segm goes with --proposals truth and without --truth.",
    );
  }
  const bare = images.find(({ row }) => row.regionCoord.some((_, i) => (row.regionMasks?.[i] ?? null) === null));
  if (!bare) return;
  throw new VillaError(
    "Mismatch",
    `Image ${bare.row.imageId} has regions without a mask, so masks cannot be compared; use --iou-type bbox.`,
  );
}

/** What a model is judged by. */
interface ModelTruth {
  readonly truth: CocoDataset;
  readonly images: readonly FramedRow[];
  /** In the order of the truth's categories. */
  readonly classes: readonly AttributeClass[];
  readonly inputs: readonly InputFile[];
  readonly warnings: readonly string[];
}

/** The dataset's regions and attributes. */
function ownTruth(
  { rows, vocabulary }: RegionScorer,
  { flags, ids }: { readonly flags: EvaluateFlags; readonly ids: ReadonlyMap<number, number> },
): ModelTruth {
  const { classes, warnings } = judgedClasses(vocabulary, flags.classes);
  const images = rows.map((row) => ({ row, frame: rowFrame(row, ids.get(row.imageId)!) }));
  return { truth: datasetTruth(images, classes), images, classes, inputs: [], warnings };
}

/**
 * The truth of an annotation file, as far as its images are in the split: its boxes are not rounded, and it may hold
 * what only such files hold, as LVIS's do. Its categories are the classes.
 */
function fileTruth(
  file: CocoDataset,
  { path, scorer, ids }: { path: string; scorer: RegionScorer; ids: ReadonlyMap<number, number> },
): ModelTruth {
  const boxes = new Map<number, Box[]>();
  for (const { image_id, bbox, iscrowd } of file.annotations) {
    if (!Array.isArray(bbox) || bbox.length !== 4 || iscrowd) continue; // the evaluation reports what is wrong
    const [x, y, width, height] = bbox as unknown as [number, number, number, number];
    const known = boxes.get(image_id);
    if (known) known.push([x, y, x + width, y + height]);
    else boxes.set(image_id, [[x, y, x + width, y + height]]);
  }
  const entries = new Map(file.images.map((image) => [image.id, image]));
  const images = scorer.rows.flatMap((row): FramedRow[] => {
    const id = ids.get(row.imageId)!;
    const entry = entries.get(id);
    if (!entry) return [];
    const [height, width] = row.imageSize;
    const size = { width: entry.width ?? width, height: entry.height ?? height };
    // Pictures may have been scaled down, but must be the same ones.
    if (Math.abs(width / size.width - height / size.height) * Math.max(size.width, size.height) > 1.5) {
      throw new VillaError(
        "Mismatch",
        `Image ${id} is ${size.width} × ${size.height} in ${path} and ${width} × ${height} in the dataset: another picture, or one that was turned.`,
      );
    }
    return [{ row, frame: { id, ...size, truth: (boxes.get(id) ?? []).map((box) => within(box, size)) } }];
  });
  if (images.length === 0) {
    throw new VillaError(
      "Mismatch",
      `None of the ${scorer.rows.length} images of the split is in ${path}; images are matched by their ids, and the first of the split has ${ids.get(scorer.rows[0]!.imageId)}.`,
    );
  }
  const chosen = new Set(images.map(({ frame }) => frame.id));
  const truth = {
    ...file,
    images: file.images.filter(({ id }) => chosen.has(id)),
    annotations: file.annotations.filter(({ image_id }) => chosen.has(image_id) || !entries.has(image_id)),
  };
  const warnings: string[] = [];
  const [left, lacking] = [file.images.length - images.length, scorer.rows.length - images.length];
  if (left > 0)
    warnings.push(`${left} of ${file.images.length} images of ${path} are not in the split and do not count.`);
  if (lacking > 0)
    warnings.push(`${lacking} of ${scorer.rows.length} images of the split are not in ${path} and do not count.`);
  const known = new Set(scorer.vocabulary.groups.flatMap(({ attributes }) => attributes));
  const classes = file.categories.map(({ id, name = String(id) }) => ({
    name,
    attributes: [known.has(name) ? name : name.replaceAll("_", " ")], // LVIS writes "alarm_clock"
  }));
  return { truth, images, classes, inputs: [{ role: "annotations", path }], warnings };
}

/** A box of a frame in the pixels of the stored picture. */
function stored([x0, y0, x1, y1]: Box, frame: Frame, { imageSize: [height, width] }: ImageAnnotation): Box {
  const [x, y] = [width / frame.width, height / frame.height];
  return [x0 * x, y0 * y, x1 * x, y1 * y];
}

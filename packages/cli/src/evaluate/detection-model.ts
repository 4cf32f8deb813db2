import type { ImageAnnotation } from "@villa/data";
import type { CocoAnnotation, CocoDataset, CocoDetection } from "@villa/metrics";
import { type AttributeClass, attributeClasses, detectRegions, hasClass } from "@villa/vlm";
import { detectionOutcome } from "./detection-outcome.ts";
import { imageGroups, modelFlags, modelInputs, promptsOf, proposalsOf, trueAttributes, withScorer } from "./model.ts";
import { datasetPictures } from "./pictures.ts";
import type { EvaluateFlags, TaskContext, TaskOutcome } from "./task.ts";

/** `villa evaluate --task detection --data-dir --checkpoint`: a model that scores given proposals by class names. */
export async function detectionModel(flags: EvaluateFlags, context: TaskContext): Promise<TaskOutcome> {
  const { boxesOf, inputs } = await proposalsOf(flags);
  return withScorer(flags, context, async (scorer) => {
    const { rows, dimension } = scorer;
    const classes = attributeClasses(scorer.vocabulary, flags.classes);
    const truth = datasetTruth(rows, classes);
    const prompts = promptsOf(classes, flags, scorer);
    const texts = await scorer.embedClasses(prompts);
    const embedded = await scorer.embedBoxes(boxesOf);
    const cosines = await scorer.cosines(embedded, texts);
    const detections: CocoDetection[] = [];
    let row = 0;
    for (const image of rows) {
      const boxes = boxesOf(image);
      const own = cosines.subarray(row * classes.length, (row + boxes.length) * classes.length);
      row += boxes.length;
      const found = detectRegions({
        boxes,
        cosines: own,
        classes: classes.length,
        temperature: flags.temperature,
        overlap: flags.nms,
      });
      for (const { box, class: c, score } of found) {
        const [x0, y0, x1, y1] = boxes[box]!;
        detections.push({ image_id: image.imageId, category_id: c + 1, bbox: [x0, y0, x1 - x0, y1 - y0], score });
      }
    }
    const groups = imageGroups(rows, flags.groupBy);
    const place = new Map(rows.map(({ imageId }, i) => [imageId, i]));
    const { checkpoint } = modelFlags(flags);
    return detectionOutcome({
      subject: `${checkpoint.split(/[\\/]/).slice(-2).join("/")} scoring ${embedded.length / dimension} proposals (${flags.proposals}) for ${classes.length} classes`,
      truth,
      detections,
      iouType: "bbox",
      evidence: { iouType: "bbox", truth: "truth.json", detections: "detections.json" },
      inputs: [...modelInputs(flags, scorer), ...inputs],
      settings: {
        dataset: scorer.dataset.directory,
        split: flags.split,
        proposals: flags.proposals,
        nms: flags.nms,
        temperature: flags.temperature,
        seed: flags.seed,
        prompts: Object.fromEntries(classes.map(({ name }, c) => [name, prompts[c]!])),
        groupBy: flags.groupBy,
      },
      files: { "truth.json": JSON.stringify(truth), "detections.json": JSON.stringify(detections) },
      groups: groups && ((imageId) => groups[place.get(imageId)!]!),
      pictures: datasetPictures(scorer.dataset),
    });
  });
}

/** A dataset's regions as COCO's truth: a region is an object of every class that it has all attributes of. */
export function datasetTruth(rows: readonly ImageAnnotation[], classes: readonly AttributeClass[]): CocoDataset {
  const annotations: CocoAnnotation[] = [];
  for (const row of rows) {
    const attributes = trueAttributes(row);
    row.regionCoord.forEach(([x0, y0, x1, y1], region) => {
      classes.forEach((each, c) => {
        if (!hasClass(attributes[region]!, each)) return;
        const [width, height] = [x1 - x0, y1 - y0];
        annotations.push({
          id: annotations.length + 1,
          image_id: row.imageId,
          category_id: c + 1,
          bbox: [x0, y0, width, height],
          area: width * height,
          iscrowd: 0,
        });
      });
    });
  }
  return {
    images: rows.map(({ imageId, imageSize: [height, width], imageFilepath }) => ({
      id: imageId,
      width,
      height,
      file_name: imageFilepath,
    })),
    annotations,
    categories: classes.map(({ name }, c) => ({ id: c + 1, name })),
  };
}

import { VillaError } from "@villa/data";
import type { CocoDataset, CocoDetection, CocoImage } from "@villa/metrics";
import { novelCategories, protocolOf } from "./detection-measure.ts";
import { detectionOutcome } from "./detection-outcome.ts";
import { folderPictures } from "./pictures.ts";
import { readJsonFile } from "./read-json.ts";
import type { EvaluateFlags, TaskOutcome } from "./task.ts";
import { readTruthFile } from "./truth-file.ts";

/**
 * `villa evaluate --task detection --truth --detections`: results of any detector.
 *
 * @throws VillaError `InvalidArgument` when one of the two files is not given; else as `cocoEvaluation`, naming the file
 */
export async function detectionFiles(flags: EvaluateFlags): Promise<TaskOutcome> {
  const { truth: truthPath, detections: detectionsPath, iouType, images, groupBy } = flags;
  if (truthPath === undefined || detectionsPath === undefined) {
    throw new VillaError(
      "InvalidArgument",
      "Give both --truth (annotations) and --detections (results), in COCO's format.",
    );
  }
  const truth = await readTruthFile(truthPath);
  const detections = resultsOf(await readJsonFile(detectionsPath), detectionsPath);
  const file = detectionsPath.split(/[\\/]/).at(-1)!;
  return detectionOutcome({
    subject: `the ${iouType === "bbox" ? "boxes" : "masks"} of ${file}`,
    truth,
    detections,
    rules: {
      iouType,
      protocol: protocolOf(truth, flags.protocol),
      unknownCategories: flags.unknownCategories ? "ignore" : "refuse",
      novel: await novelCategories(flags.novel, truth),
    },
    paths: { truth: truthPath, detections: detectionsPath },
    inputs: [
      { role: "truth", path: truthPath },
      { role: "detections", path: detectionsPath },
    ],
    settings: { groupBy },
    groups: groupBy === undefined ? undefined : groupsBy(truth, groupBy),
    pictures: images === undefined ? undefined : folderPictures(images, truth),
  });
}

/** Results are a list; whole files with `annotations`, as some tools write them, are not guessed at. */
export function resultsOf(value: unknown, path: string): readonly CocoDetection[] {
  if (Array.isArray(value)) return value as CocoDetection[];
  throw new VillaError(
    "InvalidFile",
    `${path} is not a list of detections; COCO results are [{ "image_id", "category_id", "bbox", "score" }, …].`,
  );
}

/** The group of each image by a field of the truth's images, such as a video or a patient. */
function groupsBy(truth: CocoDataset, field: string): (imageId: number) => string | number {
  const groups = new Map<number, string | number>();
  for (const image of truth.images) {
    const { id } = image;
    const group = (image as CocoImage & Record<string, unknown>)[field];
    if (typeof group !== "string" && typeof group !== "number") {
      throw new VillaError("InvalidFile", `Image ${id} of the truth has no "${field}" to group by.`);
    }
    groups.set(id, group);
  }
  return (imageId) => groups.get(imageId)!;
}

import { cocoEvaluation } from "@villa/metrics";
import { attributeClasses, classPrompts } from "@villa/vlm";
import { evaluateCheckpoint, openScorer, type RegionScorer } from "@villa/vlm/node";
import { datasetTruth, scoredDetections } from "../evaluate/dataset-detections.ts";
import { rowFrame } from "../evaluate/frame.ts";
import { openProposals } from "../evaluate/proposals.ts";
import type { DetectionProtocol, ExperimentProtocol } from "./protocol.ts";

/** A trained model and the common test split. */
export interface JudgedModel {
  readonly protocol: ExperimentProtocol;
  /** Dataset with the test split. */
  readonly testDirectory: string;
  readonly checkpoint: string;
  readonly signal?: AbortSignal | undefined;
}

/** A model's numbers by the keys of the experiment's measures: of its detections where the protocol tells how, else of retrieval. */
export async function judgeModel({
  protocol: { detection, test },
  testDirectory: dataDir,
  checkpoint,
  signal,
}: JudgedModel): Promise<Record<string, number>> {
  const options = { dataDir, split: "test", checkpoint, signal };
  if (!detection) {
    const { textToRegion, regionToText } = await evaluateCheckpoint(options);
    return { textToRegion: textToRegion.rPrecision, regionToText: regionToText.rPrecision };
  }
  const scorer = await openScorer(options);
  try {
    return {
      grid: await detectionScore(scorer, { ...detection, seed: test.seed }),
      truth: await detectionScore(scorer, { ...detection, seed: test.seed, proposals: "truth" }),
    };
  } finally {
    scorer.dispose();
  }
}

/** AP50 of a model that scores proposals. The jitter is that of the test split: the same boxes for every model. */
async function detectionScore(
  scorer: RegionScorer,
  { proposals: source, classes: words, nms, temperature, seed }: DetectionProtocol & { readonly seed: number },
): Promise<number> {
  const { rows, vocabulary } = scorer;
  const classes = attributeClasses(vocabulary, words);
  const prompts = classes.map(({ attributes }) => classPrompts(attributes, { vocabulary }).flat());
  const images = rows.map((row) => ({ row, frame: rowFrame(row, row.imageId) }));
  const frames = new Map(images.map(({ frame }) => [frame.id, frame]));
  const { boxesOf } = await openProposals(
    { proposals: source, seed },
    { frames: [...frames.values()], known: new Set(frames.keys()) },
  );
  const embedded = await scorer.embedBoxes(({ imageId }) => boxesOf(frames.get(imageId)!));
  const cosines = await scorer.cosines(embedded, await scorer.embedClasses(prompts));
  const categories = classes.map((_, c) => c + 1);
  const detections = scoredDetections({ frames: [...frames.values()], boxesOf, cosines, categories, nms, temperature });
  return cocoEvaluation({ truth: datasetTruth(images, classes), detections }).numbers.AP50;
}

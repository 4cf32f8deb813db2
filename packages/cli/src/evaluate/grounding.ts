import { table } from "@villa/command-kit";
import { VillaError, vocabularyWithTruth } from "@villa/data";
import {
  type Box,
  contrastToNoise,
  type GroundingProtocol,
  phraseGrounding,
  pointingGame,
  type ScoreMap,
  sampleMeasure,
} from "@villa/metrics";
import { boxScoreMap, hasClass } from "@villa/vlm";
import { barSection } from "./bar-section.ts";
import { imageGroups, outsideIds } from "./dataset-columns.ts";
import { type Frame, rowFrame } from "./frame.ts";
import {
  judgedClasses,
  modelFlags,
  modelInputs,
  modelSettings,
  promptsByName,
  promptsOf,
  trueAttributes,
  withScorer,
} from "./model.ts";
import { openProposals } from "./proposals.ts";
import type { EvaluateFlags, TaskContext, TaskOutcome } from "./task.ts";

/** A class that an image shows: the phrase to find. */
interface Phrase {
  /** Place of its image. */
  readonly item: number;
  readonly class: number;
  readonly boxes: readonly Box[];
  readonly scores: Float32Array;
  readonly truth: readonly Box[];
  readonly size: readonly [height: number, width: number];
}

const protocols: readonly GroundingProtocol[] = ["any-box", "merged-boxes"];
const ks = [1, 5, 10];

/** `villa evaluate --task grounding`: finds each class of an image among proposals. */
export function grounding(flags: EvaluateFlags, context: TaskContext): Promise<TaskOutcome> {
  return withScorer({ flags, ...context }, async (scorer) => {
    const { rows } = scorer;
    const ids = await outsideIds(scorer.dataset);
    const frames = new Map(rows.map((row): [number, Frame] => [row.imageId, rowFrame(row, ids.get(row.imageId)!)]));
    const proposals = await openProposals(flags, { frames: [...frames.values()], known: new Set(ids.values()) });
    const boxesOf = ({ imageId }: { readonly imageId: number }) => proposals.boxesOf(frames.get(imageId)!);
    const everything = vocabularyWithTruth(scorer.vocabulary).groups.map(({ name }) => name);
    const { classes, warnings } = judgedClasses(scorer.vocabulary, flags.classes ?? everything);
    const prompts = promptsOf(classes, { templates: flags.templates, vocabulary: scorer.vocabulary });
    const cosines = await scorer.cosines(await scorer.embedBoxes(boxesOf), await scorer.embedClasses(prompts));
    let first = 0;
    const phrases = rows.flatMap((row, item): Phrase[] => {
      const boxes = boxesOf(row);
      const start = first;
      first += boxes.length;
      const attributes = trueAttributes(row);
      return classes.flatMap((each, c) => {
        const truth = row.regionCoord.filter((_, region) => hasClass(attributes[region]!, each));
        if (truth.length === 0) return [];
        const scores = Float32Array.from(boxes, (_, b) => cosines[(start + b) * classes.length + c]!);
        return [{ item, class: c, boxes, scores, truth, size: row.imageSize }];
      });
    });
    if (phrases.length === 0) throw new VillaError("Mismatch", "No image of the split shows any of these classes.");
    const found = judge(phrases);
    const chance = judge(phrases.map((phrase) => ({ ...phrase, scores: new Float32Array(phrase.scores.length) })));
    const item = phrases.map((phrase) => phrase.item);
    const evidence = {
      items: rows.length,
      means: Object.fromEntries(Object.entries(found).map(([name, value]) => [name, { item, value }])),
    };
    const measure = sampleMeasure(evidence);
    const every = Int32Array.from(rows, (_, i) => i);
    const guesses = sampleMeasure({
      items: rows.length,
      means: Object.fromEntries(Object.entries(chance).map(([name, value]) => [name, { item, value }])),
    })(every);
    const perClass = classes.flatMap(({ name }, c) => {
      const own = phrases.flatMap((phrase, p) => (phrase.class === c ? [found["R@1 any-box"]![p]!] : []));
      return own.length === 0
        ? []
        : [{ name, phrases: own.length, value: own.reduce((a, b) => a + b, 0) / own.length }];
    });
    return {
      task: "grounding",
      subject: `${modelFlags(flags).checkpoint.split(/[\\/]/).slice(-2).join("/")} finding ${phrases.length.toLocaleString("en")} phrases among proposals (${flags.proposals})`,
      itemIds: rows.map(({ imageId }) => imageId),
      groups: await imageGroups(scorer.dataset, { rows, column: flags.groupBy }),
      numbers: measure(every),
      measure,
      chance: guesses,
      evidence,
      inputs: [...(await modelInputs(flags, scorer)), ...proposals.inputs],
      settings: {
        ...modelSettings(flags, {
          of: scorer,
          prompts: promptsByName(classes, prompts),
        }),
        proposals: flags.proposals,
        threshold: 0.5,
        seed: flags.seed,
      },
      details: { phrases: phrases.length, perClass },
      warnings: [...warnings, ...proposals.warnings],
      resamples: 1000,
      tables: [
        table([
          ["phrase", "images", "R@1 any-box"],
          ...perClass.map((each) => [each.name, each.phrases, each.value.toFixed(3)]),
        ]),
      ],
      sections: async () => [barSection("R@1, any box, of each phrase", perClass)],
    };
  });
}

/** The value of every phrase, by the names of the measures; NaN where a measure has none. */
function judge(phrases: readonly Phrase[]): Record<string, Float64Array> {
  const values: Record<string, Float64Array> = {};
  for (const protocol of protocols) {
    const { hits, ious, centreHits } = phraseGrounding(phrases, { protocol, ks });
    ks.forEach((k, j) => {
      values[`R@${k} ${protocol}`] = Float64Array.from(phrases, (_, p) => hits[p * ks.length + j]!);
    });
    values[`mean IoU ${protocol}`] = ious;
    if (protocol === "any-box") values["hit rate"] = centreHits;
  }
  const maps = phrases.map(mapOf);
  values["pointing game"] = pointsOf(maps);
  const { perMap } = contrastToNoise(maps);
  values["contrast to noise, signed"] = perMap;
  values["contrast to noise, absolute"] = perMap.map(Math.abs);
  return values;
}

function mapOf({ boxes, scores, truth, size: [height, width] }: Phrase): ScoreMap {
  const map = boxScoreMap({ width, height, boxes, scores });
  return { ...map, truth: truth.map((box) => box.map((edge) => edge * map.scale) as unknown as Box) };
}

/** The pointing game; a map without any score, of an image without proposals, misses. */
function pointsOf(maps: readonly ScoreMap[]): Float64Array {
  const known = maps.map(({ scores }) => Array.from(scores).some((score) => !Number.isNaN(score)));
  const { hits } = pointingGame(maps.filter((_, m) => known[m]!));
  let next = 0;
  return Float64Array.from(maps, (_, m) => (known[m]! ? hits[next++]! : 0));
}

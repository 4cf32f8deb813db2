import { table } from "@villa/command-kit";
import { datasetTexts, RandomState, VillaError, vocabularyWithTruth, withoutTruthNote } from "@villa/data";
import { fineGrainedAccuracy, hardNegatives, sampleMeasure } from "@villa/metrics";
import { classPrompts } from "@villa/vlm";
import type { RegionScorer } from "@villa/vlm/node";
import { barSection } from "./bar-section.ts";
import { imageGroups } from "./dataset-columns.ts";
import { modelFlags, modelInputs, modelSettings, trueAttributes, withScorer } from "./model.ts";
import type { EvaluateFlags, TaskContext, TaskOutcome } from "./task.ts";

/** A region, its true description and the wrong ones. */
interface Choice {
  /** Place of its image. */
  readonly item: number;
  /** Place of its box among all, and among those of its image. */
  readonly box: number;
  readonly region: number;
  /** The true one first. */
  readonly texts: readonly string[];
  /** Groups of the attributes that were swapped. */
  readonly groups: readonly string[];
}

/**
 * `villa evaluate --task fine-grained`: the true description of each region among ones in which one attribute is swapped
 * for another of its group. A description says each attribute of the region in the words of its group's first template.
 */
export function fineGrained(flags: EvaluateFlags, context: TaskContext): Promise<TaskOutcome> {
  return withScorer({ flags, ...context }, async (scorer) => {
    const { rows, dimension } = scorer;
    const note = withoutTruthNote(scorer.vocabulary);
    const choices = choicesOf({ rows, vocabulary: vocabularyWithTruth(scorer.vocabulary) }, flags);
    if (choices.length === 0) throw new VillaError("Mismatch", "No region has an attribute that could be swapped.");
    const regions = await scorer.embedBoxes((row) => row.regionCoord);
    const texts = [...new Set(choices.flatMap((choice) => choice.texts))];
    const place = new Map(texts.map((text, i) => [text, i]));
    const { sentences } = datasetTexts(scorer.dataset.vocabulary);
    const embedded = await scorer.embedTexts(texts.map((text) => sentences(text)));
    const cosine = (box: number, text: string): number => {
      const [r, t] = [box * dimension, place.get(text)! * dimension];
      let sum = 0;
      for (let i = 0; i < dimension; i++) sum += regions[r + i]! * embedded[t + i]!;
      return sum;
    };
    const { hits, chance } = fineGrainedAccuracy(
      choices.map(({ box, texts: own }) => own.map((text) => cosine(box, text))),
    );
    const item = choices.map((choice) => choice.item);
    const groups = [...new Set(choices.flatMap((choice) => choice.groups))];
    const byGroup = groups.map((group) => {
      const own = choices.flatMap((choice, c) => (choice.groups.length === 1 && choice.groups[0] === group ? [c] : []));
      return { name: group, own };
    });
    const evidence = {
      items: rows.length,
      means: {
        accuracy: { item, value: hits },
        ...Object.fromEntries(
          byGroup
            .filter(({ own }) => own.length > 0)
            .map(({ name, own }) => [
              `accuracy, ${name} swapped`,
              { item: own.map((c) => item[c]!), value: own.map((c) => hits[c]!) },
            ]),
        ),
      },
    };
    const measure = sampleMeasure(evidence);
    const numbers = measure(Int32Array.from(rows, (_, i) => i));
    const chanceOf = (own: readonly number[]) =>
      own.reduce((sum, c) => sum + 1 / choices[c]!.texts.length, 0) / own.length;
    return {
      task: "fine-grained",
      subject: `${modelFlags(flags).checkpoint.split(/[\\/]/).slice(-2).join("/")} choosing among one true and up to ${flags.negatives} false descriptions`,
      itemIds: rows.map(({ imageId }) => imageId),
      groups: await imageGroups(scorer.dataset, { rows, column: flags.groupBy }),
      numbers,
      measure,
      chance: {
        accuracy: chance,
        ...Object.fromEntries(byGroup.map(({ name, own }) => [`accuracy, ${name} swapped`, chanceOf(own)])),
      },
      evidence,
      inputs: await modelInputs(flags, scorer),
      settings: {
        ...modelSettings(flags, {
          of: scorer,
          prompts: Object.fromEntries(texts.map((text) => [text, sentences(text)])),
        }),
        negatives: flags.negatives,
        seed: flags.seed,
        // Texts by their places among the prompts, the true one first.
        samples: choices.map(({ item: image, region, groups: [swapped], texts: own }) => ({
          imageId: rows[image]!.imageId,
          region,
          swapped,
          texts: own.map((text) => place.get(text)!),
        })),
      },
      details: { choices: choices.length },
      warnings: note === undefined ? [] : [note],
      resamples: 1000,
      tables: [
        table([["an example", "text"], ...choices[0]!.texts.map((text, i) => [i === 0 ? "true" : "false", text])]),
      ],
      sections: async () => [
        barSection(
          "Which kind of word is told apart",
          byGroup
            .filter(({ own }) => own.length > 0)
            .map(({ name }) => ({ name, value: numbers[`accuracy, ${name} swapped`]! })),
        ),
      ],
    };
  });
}

/** One choice a region and group of attributes: what is swapped is of one kind, so that kinds can be told apart. */
function choicesOf(
  { rows, vocabulary }: Pick<RegionScorer, "rows" | "vocabulary">,
  { negatives, seed }: EvaluateFlags,
): Choice[] {
  const random = new RandomState(seed);
  const choices: Choice[] = [];
  let box = 0;
  rows.forEach((row, item) => {
    for (const [region, attributes] of trueAttributes(row).entries()) {
      const text = attributes.map((attribute) => classPrompts([attribute], { vocabulary })[0]![0]!).join(". ");
      for (const group of vocabulary.groups) {
        if (attributes.length === 0 || !group.attributes.some((attribute) => attributes.includes(attribute))) continue;
        const only = { ...vocabulary, groups: [group] };
        const wrong = hardNegatives({ text, vocabulary: only, attributes, count: negatives, random });
        if (wrong.length > 0) {
          choices.push({ item, box, region, texts: [text, ...wrong.map((each) => each.text)], groups: [group.name] });
        }
      }
      box++;
    }
  });
  return choices;
}

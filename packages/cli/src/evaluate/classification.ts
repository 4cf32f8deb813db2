import { table } from "@villa/command-kit";
import { VillaError } from "@villa/data";
import { auroc, type Box, balancedSample, type Evidence, sampleMeasure, topKAccuracy } from "@villa/metrics";
import { hasClass } from "@villa/vlm";
import { barSection } from "./bar-section.ts";
import { imageGroups } from "./dataset-columns.ts";
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
import type { EvaluateFlags, TaskContext, TaskOutcome } from "./task.ts";

/** A box or a whole image with the classes that it truly has. */
interface Example {
  /** Place of its image. */
  readonly item: number;
  readonly imageId: number;
  /** Which of the image's regions; undefined for the whole. */
  readonly region?: number | undefined;
  /** [classes] 0 or 1 */
  readonly labels: readonly number[];
}

const ks = [1, 5];

/**
 * `villa evaluate --task classification`: zero-shot classes of boxes, or of whole images.
 *
 * Accuracy is over the examples that have exactly one of the classes, AUROC over all of them.
 */
export function classification(flags: EvaluateFlags, context: TaskContext): Promise<TaskOutcome> {
  return withScorer({ flags, ...context }, async (scorer) => {
    const { rows } = scorer;
    const { classes, warnings } = judgedClasses(scorer.vocabulary, flags.classes);
    const isWhole = flags.of === "images";
    const boxesOf = (row: (typeof rows)[number]): readonly Box[] =>
      isWhole ? [[0, 0, row.imageSize[1] - 1, row.imageSize[0] - 1]] : row.regionCoord;
    const all = rows.flatMap((row, item): Example[] => {
      const attributes = trueAttributes(row);
      const own = isWhole ? [attributes.flat()] : attributes;
      return own.map((names, region) => ({
        item,
        imageId: row.imageId,
        region: isWhole ? undefined : region,
        labels: classes.map((each) =>
          // An image has a class where one of its regions has it.
          isWhole ? Number(attributes.some((list) => hasClass(list, each))) : Number(hasClass(names, each)),
        ),
      }));
    });
    const prompts = promptsOf(classes, { templates: flags.templates, vocabulary: scorer.vocabulary });
    const cosines = await scorer.cosines(await scorer.embedBoxes(boxesOf), await scorer.embedClasses(prompts));
    const names = classes.map(({ name }) => name);
    const samples = drawn(all, { names, flags });
    const chosen = samples ? samples.flatMap(({ examples }) => examples) : all.map((_, i) => i);
    const { evidence, details, chance, perClass } = judge({ all, chosen, cosines, names, images: rows.length });
    const measure = sampleMeasure(evidence);
    return {
      task: "classification",
      subject: `${modelFlags(flags).checkpoint.split(/[\\/]/).slice(-2).join("/")} choosing among ${classes.length} classes for ${flags.of}`,
      itemIds: rows.map(({ imageId }) => imageId),
      groups: await imageGroups(scorer.dataset, { rows, column: flags.groupBy }),
      numbers: measure(Int32Array.from(rows, (_, i) => i)),
      measure,
      chance,
      evidence,
      inputs: await modelInputs(flags, scorer),
      settings: {
        ...modelSettings(flags, {
          of: scorer,
          prompts: promptsByName(classes, prompts),
        }),
        of: flags.of,
        samples: samples?.map(({ label, examples }) => ({
          label,
          examples: examples.map((i) => ({ imageId: all[i]!.imageId, region: all[i]!.region })),
        })),
        seed: flags.seed,
      },
      details,
      warnings,
      resamples: 1000,
      tables: [table([["class", "examples", ...ks.map((k) => `top-${k}`), "AUROC"], ...perClass])],
      sections: async () => [
        barSection(
          "Each class, top-1",
          perClass.map(([name, , top1]) => ({ name: String(name), value: Number(top1) })),
        ),
      ],
    };
  });
}

/** "k × n" examples where they are asked for. */
function drawn(all: readonly Example[], { names, flags }: { names: readonly string[]; flags: EvaluateFlags }) {
  if (flags.samples === undefined) return undefined;
  const labels = all.flatMap((example) => example.labels);
  return balancedSample({ labels, names, perLabel: flags.samples, seed: flags.seed });
}

interface Judged {
  readonly all: readonly Example[];
  readonly chosen: readonly number[];
  readonly cosines: Float32Array;
  readonly names: readonly string[];
  readonly images: number;
}

function judge({ all, chosen, cosines, names, images }: Judged) {
  const classes = names.length;
  const scoresOf = (examples: readonly number[]): Float32Array => {
    const scores = new Float32Array(examples.length * classes);
    examples.forEach((i, row) => {
      scores.set(cosines.subarray(i * classes, (i + 1) * classes), row * classes);
    });
    return scores;
  };
  const single = chosen.filter((i) => all[i]!.labels.reduce((sum, label) => sum + label, 0) === 1);
  if (chosen.length === 0) throw new VillaError("Mismatch", "There are no examples of these classes.");
  const labels = single.map((i) => all[i]!.labels.indexOf(1));
  const accuracy = topKAccuracy({ scores: scoresOf(single), labels, classes, ks });
  const item = single.map((i) => all[i]!.item);
  const hitsAt = (j: number) => Float64Array.from(single, (_, row) => accuracy.hits[row * ks.length + j]!);
  const every = {
    item: chosen.map((i) => all[i]!.item),
    labelCount: classes,
    scores: scoresOf(chosen),
    labels: chosen.flatMap((i) => all[i]!.labels),
  };
  const evidence: Evidence = {
    items: images,
    means: {
      ...Object.fromEntries(ks.map((k, j) => [`top-${k}`, { item, value: hitsAt(j) }])),
      ...Object.fromEntries(ks.map((k, j) => [`top-${k} mean per class`, { item, value: hitsAt(j), stratum: labels }])),
    },
    rankings: [{ measures: { AUROC: { kind: "auroc" } }, ...every }],
  };
  const roc = auroc(every);
  const fixed = (value: number | undefined) => (value === undefined ? "" : value.toFixed(3));
  const perClass = names.map((name, c) => {
    const own = accuracy.perClass[c];
    return [name, own?.examples ?? 0, ...ks.map((_, j) => fixed(own?.accuracy[j])), fixed(roc.perLabel[c]?.auroc)];
  });
  const chances = ks.flatMap((k) =>
    [`top-${k}`, `top-${k} mean per class`].map((name) => [name, Math.min(1, k / classes)]),
  );
  return {
    evidence,
    perClass,
    chance: { ...Object.fromEntries(chances), AUROC: 0.5 },
    details: {
      examples: chosen.length,
      withOneClass: single.length,
      perClass: names.map((name, c) => ({ name, ...accuracy.perClass[c], auroc: roc.perLabel[c]?.auroc ?? null })),
    },
  };
}

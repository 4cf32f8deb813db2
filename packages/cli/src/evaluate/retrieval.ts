import { percent, table } from "@villa/command-kit";
import { attributePrompts, datasetTexts, withoutTruthNote } from "@villa/data";
import { imageTextRetrieval, type Observations, rankRows, type SampleNumbers, sampleMeasure } from "@villa/metrics";
import { backendScores } from "@villa/vlm";
import { type EmbeddedSplit, type Evaluation, embedForEvaluation, evaluateEmbedded } from "@villa/vlm/node";
import { imageGroups } from "./dataset-columns.ts";
import { checkEmbeddings, modelFlags, modelInputs, modelSettings, withScorer } from "./model.ts";
import type { EvaluateFlags, TaskContext, TaskOutcome } from "./task.ts";

const ks = [1, 5, 10];

/** `villa evaluate --task retrieval`: regions ↔ attributes, and images ↔ their texts where there is a model for both. */
export async function retrieval(flags: EvaluateFlags, context: TaskContext): Promise<TaskOutcome> {
  const { dataDir, checkpoint } = modelFlags(flags);
  const { split, weights, regions: how, merge } = flags;
  const { onProgress, signal, withPage } = context;
  const embedded = await embedForEvaluation({
    dataDir,
    checkpoint,
    split,
    weights,
    regions: how,
    indexed: merge,
    onProgress,
    signal,
  });
  checkEmbeddings(embedded.input.regions, checkpoint);
  const examples = withPage ? (await import("./retrieval-page.ts")).examplesShown : undefined;
  const evaluation = await evaluateEmbedded(embedded, { split, examples });
  const { dataset, rows, vocabulary } = embedded;
  const note = withoutTruthNote(dataset.vocabulary);
  const regions = await regionEvidence(embedded);
  const images = checkpoint === "embeddings" ? undefined : await imageTexts(flags, context);
  const evidence = { ...regions, means: { ...regions.means, ...images?.means } };
  const measure = sampleMeasure(evidence);
  const { examples: shown, ...figures } = evaluation;
  return {
    task: "retrieval",
    subject: `${evaluation.regions.toLocaleString("en")} regions ranked by ${checkpoint}`,
    itemIds: rows.map(({ imageId }) => imageId),
    groups: await imageGroups(dataset, { rows, column: flags.groupBy }),
    numbers: rPrecisionFirst(measure(Int32Array.from(rows, (_, i) => i))),
    measure,
    chance: { ...(await regionChance(embedded)), ...images?.chance },
    evidence,
    inputs: await modelInputs(flags, { dataset, rows }),
    settings: modelSettings(flags, {
      of: embedded,
      prompts: Object.fromEntries(attributePrompts(vocabulary).map(({ attribute, prompts }) => [attribute, prompts])),
    }),
    details: { ...figures },
    warnings: note === undefined ? [] : [note],
    resamples: evaluation.regions * evaluation.attributes.length > 500_000 ? 200 : 1000,
    tables: retrievalTables(evaluation),
    sections: async () =>
      (await import("./retrieval-page.ts")).retrievalSections({ ...figures, examples: shown }, dataset),
  };
}

/** The paper's numbers stand first. */
function rPrecisionFirst(numbers: SampleNumbers): SampleNumbers {
  const rank = (name: string) => (name.endsWith("R-Precision") ? 0 : name.includes("region") ? 1 : 2);
  return Object.fromEntries(Object.entries(numbers).sort(([a], [b]) => rank(a) - rank(b)));
}

/** Scores [R, A] and what is ranked by them. */
async function regionEvidence({ input, rows, attributes }: EmbeddedSplit) {
  const columns = attributes.length;
  const count = input.labels.length / columns;
  const product = await backendScores(input)({ start: 0, count: columns }, { start: 0, count });
  const scores = new Float32Array(product.length);
  for (let r = 0; r < count; r++) for (let a = 0; a < columns; a++) scores[r * columns + a] = product[a * count + r]!;
  const item = rows.flatMap(({ regionCoord }, i) => regionCoord.map(() => i));
  const own = rankRows({ scores, labels: input.labels, columns, ks });
  const means: Record<string, Observations> = { "region → text R-Precision": { item, value: own.rPrecision } };
  for (const { k, precision, recall } of own.at) {
    means[`region → text P@${k}`] = { item, value: precision };
    means[`region → text R@${k}`] = { item, value: recall };
  }
  const measures = {
    "text → region R-Precision": { kind: "r-precision" as const },
    ...Object.fromEntries(
      ks.flatMap((k) => [
        [`text → region P@${k}`, { kind: "precision" as const, k }],
        [`text → region R@${k}`, { kind: "recall" as const, k }],
      ]),
    ),
  };
  const rankings = [{ measures, item, labelCount: columns, scores, labels: input.labels }];
  return { items: rows.length, means, rankings };
}

/** What equal scores for everything would reach. */
async function regionChance(embedded: EmbeddedSplit): Promise<Record<string, number>> {
  const { input, rows } = embedded;
  const blind = { ...input, regions: new Float32Array(input.regions.length) };
  return sampleMeasure(await regionEvidence({ ...embedded, input: blind }))(
    Int32Array.from(rows, (_, i) => i),
  ) as Record<string, number>;
}

/** Images ↔ texts: the whole image against the mean of its sentences. */
function imageTexts(flags: EvaluateFlags, context: TaskContext) {
  return withScorer({ flags, ...context }, async (scorer) => {
    const { rows } = scorer;
    const { sentences } = datasetTexts(scorer.dataset.vocabulary);
    const told = rows.flatMap((row, i) => (sentences(row).length > 0 ? [i] : []));
    if (told.length === 0) return undefined;
    const whole = await scorer.embedBoxes(({ imageSize: [height, width] }) => [[0, 0, width - 1, height - 1]]);
    const texts = await scorer.embedTexts(told.map((i) => sentences(rows[i]!)));
    const embeddings = { regions: texts, attributes: whole, dimension: scorer.dimension };
    const products = backendScores(embeddings);
    const scores = (start: number, count: number) => products({ start, count }, { start: 0, count: told.length });
    const found = await imageTextRetrieval({ images: rows.length, imageOf: told, scores, ks });
    const column = (hits: Float64Array, j: number) => hits.filter((_, i) => i % ks.length === j);
    const means: Record<string, Observations> = {};
    const chance: Record<string, number> = {};
    ks.forEach((k, j) => {
      means[`image → text R@${k}`] = { item: rows.map((_, i) => i), value: column(found.imageToText.hits, j) };
      means[`text → image R@${k}`] = { item: told, value: column(found.textToImage.hits, j) };
      chance[`image → text R@${k}`] = Math.min(1, k / told.length); // one text an image
      chance[`text → image R@${k}`] = Math.min(1, k / rows.length);
    });
    return { means, chance };
  });
}

function retrievalTables({ textToRegion, attributes, perAttribute, perGroup }: Evaluation): string[] {
  const groups = perGroup.map(({ group, rPrecision }) => [group, rPrecision === null ? "" : percent(rPrecision, 2)]);
  const own = attributes.map((name, i) => {
    const each = perAttribute[i];
    return [name, each?.regions ?? 0, each ? percent(each.rPrecision, 2) : ""];
  });
  return [
    `Text → region R-Precision in %, ${textToRegion.queries} attributes`,
    table([["group", "R-Precision"], ...groups]),
    table([["attribute", "regions", "R-Precision"], ...own]),
  ];
}

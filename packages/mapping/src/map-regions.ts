import type { ProgressListener } from "@villa/data";
import { assignRegions, type Epsilon } from "./assign.ts";
import type { MappingData } from "./batches.ts";
import { checkMappingData } from "./check-data.ts";
import { type HeadWeights, headOfAttribute } from "./heads.ts";
import { type Parallel, shareFloats } from "./parallel.ts";
import { type AttributeScores, type HeadSource, imagesWith, scoreAttributes, scoreRegions } from "./scores.ts";

export interface MapRegionsOptions extends MappingData {
  readonly model: HeadSource;
  /** [A, d] */
  readonly attributeEmbeddings: Float32Array;
  /** ε, or one for each attribute. Default 0.2. */
  readonly epsilon?: Epsilon;
  readonly parallel?: Parallel;
  readonly onProgress?: ProgressListener;
  readonly signal?: AbortSignal;
}

/**
 * Assigns each image's attributes to its regions (paper §3.2): those whose score exceeds the image's best minus ε.
 *
 * @returns `assigned`: image → region → attribute indices; `scores`, from which another ε can be applied at once
 * @throws VillaError as {@link checkMappingData}; InvalidArgument for an ε out of range
 */
export async function mapRegions(
  options: MapRegionsOptions,
): Promise<{ assigned: number[][][]; scores: AttributeScores[] }> {
  const { model, regions, counts, labels, attributeEmbeddings, epsilon = 0.2 } = options;
  const data = { regions, counts, labels };
  checkMappingData(data, attributeEmbeddings, model.attributes);
  const scores = await scoreSplit({ ...options, data });
  return { assigned: assignRegions(scores, counts, epsilon), scores };
}

/** What a worker needs to score one head's attributes. */
export interface ScoreTask {
  readonly head: HeadWeights;
  readonly attributes: readonly number[];
  readonly totalAttributes: number;
  readonly attributeEmbeddings: Float32Array;
  readonly data: MappingData;
  readonly dimension: number;
  readonly oneProj: boolean;
  readonly adapter: boolean;
}

/** Scores of all attributes: on the workers, where there are some, else on the current backend. */
export async function scoreSplit(options: {
  readonly model: HeadSource;
  readonly data: MappingData;
  readonly attributeEmbeddings: Float32Array;
  readonly attributes?: readonly number[];
  readonly parallel?: Parallel;
  readonly onProgress?: ProgressListener;
  readonly signal?: AbortSignal;
}): Promise<AttributeScores[]> {
  const { model, parallel, signal, onProgress } = options;
  if (!parallel || model.oneProj) return scoreRegions(options);
  const total = model.attributes.length;
  const data = { ...options.data, regions: shareFloats(options.data.regions) };
  const attributeEmbeddings = shareFloats(options.attributeEmbeddings);
  const scores: AttributeScores[] = Array.from({ length: total }, () => ({
    images: new Int32Array(0),
    values: new Float32Array(0),
  }));
  const wanted = options.attributes ?? Array.from({ length: total }, (_, a) => a);
  const queue = wanted.filter((attribute) => imagesWith(data.labels, total, attribute).length > 0);
  let done = 0;
  const count = queue.length;
  // Each worker asks for the next head when it is free: only as many heads as workers (and one more each, loading) are
  // in memory.
  const pull = async (): Promise<void> => {
    for (let attribute = queue.shift(); attribute !== undefined; attribute = queue.shift()) {
      const task: ScoreTask = {
        head: await model.load(headOfAttribute(model.oneProj, attribute)),
        attributes: [attribute],
        totalAttributes: total,
        attributeEmbeddings,
        data,
        dimension: model.dimension,
        oneProj: model.oneProj,
        adapter: model.adapter,
      };
      const [result] = await parallel.pool.run<AttributeScores[]>(
        { module: parallel.tasks, name: "scoreTask" },
        task,
        signal ? { signal } : {},
      );
      scores[attribute] = result!;
      onProgress?.({ task: "mapping", done: ++done, total: count, unit: "attributes" });
    }
  };
  await Promise.all(Array.from({ length: parallel.pool.size }, pull));
  return scores;
}

/** The task itself, for worker modules to export. */
export const runScoreTask = (task: ScoreTask): Promise<AttributeScores[]> => scoreAttributes(task);

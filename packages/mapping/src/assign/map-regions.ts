import type { ProgressListener } from "@villa/data";
import { checkArgument } from "@villa/data";
import { defaultEpsilon } from "../config.ts";
import type { MappingData } from "../data/batches.ts";
import { checkMappingData } from "../data/check-data.ts";
import { type AttributeScores, type HeadSource, scoreRegions } from "../model/scores.ts";
import { assignRegions, type Epsilon } from "./assign.ts";
import { excludeWithinGroups } from "./exclusive.ts";

export interface MapRegionsOptions extends MappingData {
  readonly model: HeadSource;
  /** [A, d] */
  readonly attributeEmbeddings: Float32Array;
  /** ε, or one for each attribute. Default 0.2. */
  readonly epsilon?: Epsilon | undefined;
  /** Groups of attributes of which a region has at most one. Default none, as in the reference. */
  readonly exclusive?: readonly (readonly number[])[] | undefined;
  readonly onProgress?: ProgressListener | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Assigns each image's attributes to its regions (paper §3.2): those whose score exceeds the image's best minus ε.
 *
 * @returns `assigned`: image → region → attribute indices; `scores`, from which another ε can be applied at once
 * @throws VillaError `Mismatch`, `NotFinite` for data that do not fit together; InvalidArgument for an ε out of range
 */
export async function mapRegions(
  options: MapRegionsOptions,
): Promise<{ assigned: number[][][]; scores: AttributeScores[] }> {
  checkArgument("options", options, {
    model: { attributes: ["text"], load: "function", dimension: "count", oneProj: "boolean", adapter: "boolean" },
    attributeEmbeddings: "numbers",
    "epsilon?": "number | numbers",
    "exclusive?": ["numbers"],
    "onProgress?": "function",
    "signal?": "object",
    regions: "numbers",
    counts: "numbers",
    labels: "bytes",
  });

  const { model, regions, counts, labels, attributeEmbeddings, epsilon = defaultEpsilon, exclusive = [] } = options;
  const data = { regions, counts, labels };
  checkMappingData(data, { names: model.attributes, embeddings: attributeEmbeddings });
  const scores = excludeWithinGroups(await scoreRegions({ ...options, data }), { counts, groups: exclusive });
  return { assigned: assignRegions(scores, { counts, epsilon }), scores };
}

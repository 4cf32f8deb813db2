import { checkArgument } from "@villa/data";
import type { RetrievalInput } from "@villa/metrics";

/** One place in a ranking. */
export interface Ranked {
  /** Row of the region or of the attribute among the embeddings. */
  readonly index: number;
  /** Cosine. */
  readonly score: number;
  /** Whether the region truly has the attribute. */
  readonly correct: boolean;
}

/** The regions that fit an attribute best, best first; equal scores in the order of their rows. */
export function topRegions(
  input: RetrievalInput,
  query: { readonly attribute: number; readonly count: number },
): Ranked[] {
  checkArgument("input", input, { labels: "bytes", regions: "numbers", attributes: "numbers", dimension: "count" });
  checkArgument("query", query, { attribute: "number", count: "count" });
  const { attribute, count } = query;

  const { regions, labels } = input;
  const attributes = input.attributes.length / input.dimension;
  const candidates = Array.from({ length: regions.length / input.dimension }, (_, index) => ({
    index,
    score: cosine(input, index, attribute),
    correct: labels[index * attributes + attribute] === 1,
  }));
  return best(candidates, count);
}

/** The attributes that fit a region best, best first. */
export function topAttributes(
  input: RetrievalInput,
  query: { readonly region: number; readonly count: number },
): Ranked[] {
  checkArgument("input", input, { labels: "bytes", regions: "numbers", attributes: "numbers", dimension: "count" });
  checkArgument("query", query, { region: "number", count: "count" });
  const { region, count } = query;

  const attributes = input.attributes.length / input.dimension;
  const candidates = Array.from({ length: attributes }, (_, index) => ({
    index,
    score: cosine(input, region, index),
    correct: input.labels[region * attributes + index] === 1,
  }));
  return best(candidates, count);
}

function cosine({ regions, attributes, dimension }: RetrievalInput, region: number, attribute: number): number {
  let sum = 0;
  for (let i = 0; i < dimension; i++) sum += regions[region * dimension + i]! * attributes[attribute * dimension + i]!;
  return sum;
}

function best(candidates: Ranked[], count: number): Ranked[] {
  return candidates.sort((a, b) => b.score - a.score || a.index - b.index).slice(0, count);
}

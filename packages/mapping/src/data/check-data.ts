import { checkArgument, VillaError } from "@villa/data";
import type { MappingData } from "./batches.ts";

/**
 * Checks everything that reaches the model from outside.
 *
 * @param attributes `names` of the A attributes, and their `embeddings` [A, d]
 * @param options `what`: how to call the data in messages, e.g. "the train split"
 * @throws VillaError `Mismatch` for sizes that do not fit together, `NotFinite` for NaN or infinity, `InvalidArgument` for
 * an empty split or an image without regions
 */
export function checkMappingData(
  data: MappingData,
  attributes: { readonly names: readonly string[]; readonly embeddings: Float32Array },
  options: { readonly what?: string | undefined } = {},
): { readonly dimension: number } {
  checkArgument("data", data, { regions: "numbers", counts: "numbers", labels: "bytes" });
  checkArgument("attributes", attributes, { names: ["text"], embeddings: "numbers" });
  checkArgument("options?", options, { "what?": "text" });
  const { names, embeddings } = attributes;
  const { what = "the data" } = options;

  const total = names.length;
  const images = data.counts.length;
  if (total === 0)
    throw new VillaError("InvalidArgument", "There are no attributes: the attribute embeddings are empty.");
  if (embeddings.length === 0 || embeddings.length % total !== 0) {
    throw new VillaError(
      "Mismatch",
      `${embeddings.length} values are not the embeddings of ${total} attributes: each must have the same length.`,
    );
  }
  const dimension = embeddings.length / total;
  if (images === 0)
    throw new VillaError("InvalidArgument", `There are no images in ${what}; mapping needs at least one.`);
  if (data.labels.length !== images * total) {
    throw new VillaError(
      "Mismatch",
      `The labels of ${what} have ${data.labels.length} entries; ${images} images × ${total} attributes need ${images * total}.`,
    );
  }
  let regions = 0;
  data.counts.forEach((count, image) => {
    if (!(count >= 1)) {
      throw new VillaError(
        "InvalidArgument",
        `Image ${image} of ${what} has no regions; leave it out, or give it its whole area as one region.`,
      );
    }
    regions += count;
  });
  if (data.regions.length !== regions * dimension) {
    throw new VillaError("Mismatch", regionSizeMessage(data, regions, dimension, what));
  }
  refuseNotFinite(data.regions, dimension, (row) => `region ${row} of ${what}`);
  refuseNotFinite(embeddings, dimension, (row) => `the embedding of attribute "${names[row]}"`);
  return { dimension };
}

/** Throws when a row holds NaN or infinity. @param name names row i in the message */
export function refuseNotFinite(values: Float32Array, dimension: number, name: (row: number) => string): void {
  for (let i = 0; i < values.length; i++) {
    if (!Number.isFinite(values[i]!)) {
      throw new VillaError(
        "NotFinite",
        `${capitalise(name(Math.floor(i / dimension)))} holds ${values[i]} at position ${i % dimension}; compute the embeddings again.`,
      );
    }
  }
}

function regionSizeMessage(data: MappingData, regions: number, dimension: number, what: string): string {
  const own = data.regions.length / regions;
  return Number.isInteger(own)
    ? `The region embeddings of ${what} have ${own} dimensions but the attribute embeddings have ${dimension}; both must come from the same encoder.`
    : `The region embeddings of ${what} have ${data.regions.length} values, but its ${regions} regions need ${regions * dimension} at ${dimension} dimensions.`;
}

const capitalise = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

import { checkArgument, type ImageAnnotation, VillaError } from "@villa/data";
import type { MappingData } from "./batches.ts";
import { refuseNotFinite } from "./check-data.ts";

/** A split as arrays, and its annotations in the same order. */
export interface SplitData {
  readonly data: MappingData;
  readonly annotations: readonly ImageAnnotation[];
  /** [R, A] true attributes of each region, where the annotations tell them. */
  readonly truth?: Uint8Array | undefined;
  /** Columns of `truth` without meaning: attributes that it does not cover. */
  readonly withoutTruth?: readonly number[] | undefined;
}

/**
 * Puts annotations and region embeddings of a split together.
 *
 * @param options.regions returns the flat [regions · d] embeddings of an image, or undefined where there are none
 * @throws VillaError `InvalidArgument` for an empty split or an image without regions, `Mismatch` for attributes without
 * an embedding, images without region embeddings, and other dimensions; `NotFinite`
 */
export function buildSplit(options: {
  readonly split: string;
  readonly annotations: readonly ImageAnnotation[];
  readonly attributes: readonly string[];
  readonly dimension: number;
  readonly regions: (imageId: number) => Float32Array | undefined;
  /** Where a text mentions an attribute only as uncertain, the image is no example for it. Default false. */
  readonly omitUncertain?: boolean | undefined;
  /** Attributes that the annotations' truth does not cover: a vocabulary's `withoutTruth`. Default: none. */
  readonly withoutTruth?: readonly string[] | undefined;
  /** Makes the array for all regions; workers want shared memory. */
  readonly allocate?: ((length: number) => Float32Array) | undefined;
}): SplitData {
  checkArgument("options", options, {
    split: "text",
    annotations: ["object"],
    attributes: ["text"],
    dimension: "count",
    regions: "function",
    "allocate?": "function",
  });

  const { split, annotations, attributes, dimension } = options;
  if (annotations.length === 0) {
    throw new VillaError(
      "InvalidArgument",
      `The split "${split}" has no images; check the column "split" of the annotations.`,
    );
  }
  const index = new Map(attributes.map((name, a) => [name, a]));
  const counts = Int32Array.from(annotations, (row) => row.numRegions);
  const total = counts.reduce((a, b) => a + b, 0);
  const regions = (options.allocate ?? ((length) => new Float32Array(length)))(total * dimension);
  const labels = new Uint8Array(annotations.length * attributes.length);
  const hasTruth = annotations.every((row) => row.regToAttr !== undefined);
  const truth = hasTruth ? new Uint8Array(total * attributes.length) : undefined;
  const uncovered = new Set(options.withoutTruth);
  let row = 0;
  annotations.forEach((annotation, i) => {
    const embeddings = regionsOf(annotation, options);
    regions.set(embeddings, row * dimension);
    for (const name of annotation.attributes) {
      labels[i * attributes.length + attributeIndex(name, index, annotation)] = 1;
    }
    for (const name of options.omitUncertain ? (annotation.uncertainAttributes ?? []) : []) {
      labels[i * attributes.length + attributeIndex(name, index, annotation)] = 2;
    }
    annotation.regToAttr?.forEach((names, r) => {
      // A true attribute that the text never mentions cannot be mapped, but it still counts against recall.
      for (const name of truth ? names : []) {
        if (uncovered.has(name)) continue;
        truth![(row + r) * attributes.length + attributeIndex(name, index, annotation)] = 1;
      }
    });
    row += annotation.numRegions;
  });
  const withoutTruth = attributes.flatMap((name, a) => (truth && uncovered.has(name) ? [a] : []));
  return {
    data: { regions, counts, labels },
    annotations,
    truth,
    withoutTruth: withoutTruth.length > 0 ? withoutTruth : undefined,
  };
}

function regionsOf(
  { imageId, numRegions }: ImageAnnotation,
  { split, dimension, regions }: Parameters<typeof buildSplit>[0],
): Float32Array {
  const what = `image ${imageId} of the ${split} split`;
  if (numRegions === 0) {
    throw new VillaError(
      "InvalidArgument",
      `${upper(what)} has no regions; leave it out, or give it its whole area as one region.`,
    );
  }
  const embeddings = regions(imageId);
  if (!embeddings) {
    throw new VillaError(
      "Mismatch",
      `There are no region embeddings of ${what}; run "villa preprocess" for this dataset again.`,
    );
  }
  if (embeddings.length !== numRegions * dimension) {
    const own = embeddings.length / numRegions;
    throw new VillaError(
      "Mismatch",
      Number.isInteger(own)
        ? `The region embeddings of ${what} have ${own} dimensions but the attribute embeddings have ${dimension}; make both with the same encoder.`
        : `The region embeddings of ${what} have ${embeddings.length} values, not those of ${numRegions} regions × ${dimension} dimensions; run "villa preprocess" for this dataset again.`,
    );
  }
  refuseNotFinite(embeddings, dimension, (region) => `region ${region} of ${what}`);
  return embeddings;
}

function attributeIndex(name: string, index: ReadonlyMap<string, number>, { imageId }: ImageAnnotation): number {
  const found = index.get(name);
  if (found !== undefined) return found;
  throw new VillaError(
    "Mismatch",
    `The attribute "${name}" of image ${imageId} has no embedding in attr_embs.pth; run "villa preprocess" with the attributes.json of this dataset.`,
  );
}

const upper = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

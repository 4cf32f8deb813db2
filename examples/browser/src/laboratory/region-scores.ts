import { type AttributeScores, type HeadSource, type MappingData, scoreRegions } from "@villa/mapping";

/** Scores of every region for every attribute, whether its image mentions it or not: what queries need. */
export interface RegionScores {
  /** [A][R] cosines. */
  readonly byAttribute: readonly Float32Array[];
}

/** @param attributes which to score; the others stay empty */
export async function scoreAll(
  model: HeadSource,
  data: MappingData,
  attributeEmbeddings: Float32Array,
  attributes?: readonly number[],
): Promise<RegionScores> {
  const everything = { ...data, labels: new Uint8Array(data.labels.length).fill(1) };
  const scores = await scoreRegions({
    model,
    data: everything,
    attributeEmbeddings,
    attributes,
  });
  return { byAttribute: scores.map(({ values }) => values) };
}

/** The scores that count for the mapping: those of images that mention the attribute. */
export function mentionedScores({ byAttribute }: RegionScores, { counts, labels }: MappingData): AttributeScores[] {
  const total = byAttribute.length;
  return byAttribute.map((all, attribute) => {
    const images: number[] = [];
    const values: number[] = [];
    let row = 0;
    counts.forEach((count, image) => {
      if (labels[image * total + attribute]) {
        images.push(image);
        values.push(...all.subarray(row, row + count));
      }
      row += count;
    });
    return { images: Int32Array.from(images), values: Float32Array.from(values) };
  });
}

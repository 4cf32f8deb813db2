import type { ImageAnnotation } from "@villa/data";

/** What a data card tells about a dataset. */
export interface CardFigures {
  readonly images: number;
  readonly regions: number;
  /** Whether the true attributes of regions are known; else a sample's complexity is its number of attributes. */
  readonly hasTruth: boolean;
  readonly splits: readonly {
    readonly split: string;
    readonly images: number;
    readonly regions: number;
    readonly complexity: number;
  }[];
  /** Share of the images, 0 … 1. */
  readonly complexities: readonly { readonly label: string; readonly share: number }[];
  readonly attributes: readonly { readonly name: string; readonly images: number; readonly share: number }[];
  /** Images whose text mentions no attribute: nothing is learned from them. */
  readonly withoutAttributes: number;
  readonly sizes: readonly { readonly size: string; readonly images: number }[];
}

/** Columns of the histogram. */
const mostBins = 12;

/**
 * Counts a dataset. The complexity of a sample is its number of (region, attribute) pairs.
 *
 * @param attributes the vocabulary's names
 * @see ViLLA paper, section 3
 */
export function cardFigures(rows: readonly ImageAnnotation[], attributes: readonly string[]): CardFigures {
  const hasTruth = rows.every(({ regToAttr }) => regToAttr !== undefined);
  const complexities = rows.map(({ regToAttr, attributes: own }) =>
    hasTruth ? regToAttr!.reduce((sum, { length }) => sum + length, 0) : own.length,
  );
  const splits = [...new Set(rows.map(({ split }) => split))].map((split) => {
    const own = rows.flatMap((row, i) => (row.split === split ? [{ row, complexity: complexities[i]! }] : []));
    return {
      ...{ split, images: own.length, regions: sum(own.map(({ row }) => row.numRegions)) },
      complexity: sum(own.map(({ complexity }) => complexity)) / own.length,
    };
  });
  const counts = tally(rows.flatMap((row) => row.attributes));
  return {
    ...{ images: rows.length, regions: sum(rows.map(({ numRegions }) => numRegions)), hasTruth, splits },
    complexities: histogram(complexities),
    attributes: attributes.map((name) => {
      const images = counts.get(name) ?? 0;
      return { name, images, share: images / rows.length };
    }),
    withoutAttributes: rows.filter((row) => row.attributes.length === 0).length,
    sizes: [...tally(rows.map(({ imageSize: [height, width] }) => `${width} × ${height}`))]
      .map(([size, images]) => ({ size, images }))
      .sort((a, b) => b.images - a.images),
  };
}

function histogram(values: readonly number[]): { label: string; share: number }[] {
  const low = values.reduce((least, value) => Math.min(least, value), Number.POSITIVE_INFINITY);
  const high = values.reduce((most, value) => Math.max(most, value), 0);
  const width = Math.max(1, Math.ceil((high - low + 1) / mostBins));
  return Array.from({ length: Math.ceil((high - low + 1) / width) }, (_, bin) => {
    const from = low + bin * width;
    const inside = values.filter((value) => value >= from && value < from + width).length;
    return { label: width === 1 ? `${from}` : `${from}–${from + width - 1}`, share: inside / values.length };
  });
}

function tally(words: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
  return counts;
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);

import type { AttributeVocabulary, ImageAnnotation } from "@villa/data";

/**
 * The image that explains the method best: a few regions that differ, and one attribute that two of them share, so that
 * naming the best region alone would not do.
 *
 * @param images rows to choose from, in order
 * @returns the first such row; where there is none, or the truth is not known, the first row
 */
export function tellingImage(
  rows: readonly ImageAnnotation[],
  images: readonly number[],
  { groups }: AttributeVocabulary,
): number {
  // What things are, such as digits, comes first in a vocabulary; what they look like, such as colours, comes later.
  const kinds = new Set(groups[0]?.attributes);
  const isTelling = (image: number): boolean => {
    const truth = rows[image]!.regToAttr;
    if (!truth || truth.length < 3 || truth.length > 4) return false;
    const shared = [...new Set(truth.flat())].flatMap((name) => {
      const having = truth.filter((own) => own.includes(name)).length;
      return having > 1 ? [{ name, having }] : [];
    });
    return shared.length === 1 && shared[0]!.having === 2 && !kinds.has(shared[0]!.name);
  };
  return images.find(isTelling) ?? images[0] ?? 0;
}

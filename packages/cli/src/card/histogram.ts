/** Columns of a histogram. */
const mostBins = 12;

/**
 * Shares of the images by sample complexity, in bins of equal width.
 *
 * @param counts by rising complexity
 * @param total of all counts
 */
export function histogram(
  counts: readonly { readonly complexity: number; readonly images: number }[],
  total: number,
): { label: string; share: number }[] {
  const [low, high] = [counts[0]?.complexity ?? 0, counts.at(-1)?.complexity ?? 0];
  const width = Math.ceil((high - low + 1) / mostBins);
  return Array.from({ length: Math.ceil((high - low + 1) / width) }, (_, bin) => {
    const from = low + bin * width;
    const inside = counts.filter(({ complexity }) => complexity >= from && complexity < from + width);
    const images = inside.reduce((sum, own) => sum + own.images, 0);
    return { label: width === 1 ? `${from}` : `${from}–${from + width - 1}`, share: images / total };
  });
}

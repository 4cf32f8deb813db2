/** A line of the story's drawing, from a sentence to a region. */
export interface Link {
  readonly sentence: number;
  readonly region: number;
}

/**
 * Places for the sentences that make their lines cross least, or nearly so: each as high as its regions on average, then
 * neighbours swapped for as long as that takes crossings away. Sentences without a line come last.
 *
 * @returns the place of each sentence, from the top
 */
export function placesOf(sentences: number, links: readonly Link[]): number[] {
  const regionsOf = Array.from({ length: sentences }, (_, sentence) =>
    links.filter((link) => link.sentence === sentence).map(({ region }) => region),
  );
  const height = (sentence: number): number => {
    const own = regionsOf[sentence]!;
    return own.length === 0 ? Number.MAX_VALUE : own.reduce((sum, region) => sum + region, 0) / own.length;
  };
  const order = regionsOf.map((_, sentence) => sentence).sort((a, b) => height(a) - height(b));
  for (let hasChanged = true; hasChanged; ) {
    hasChanged = false;
    for (let i = 1; i < order.length; i++) {
      const [upper, lower] = [order[i - 1]!, order[i]!];
      if (crossings(regionsOf[lower]!, regionsOf[upper]!) >= crossings(regionsOf[upper]!, regionsOf[lower]!)) continue;
      order[i - 1] = lower;
      order[i] = upper;
      hasChanged = true;
    }
  }
  const places = new Array<number>(sentences).fill(0);
  for (const [place, sentence] of order.entries()) places[sentence] = place;
  return places;
}

/** How often lines of a sentence cross those of the sentence below it. */
function crossings(upper: readonly number[], lower: readonly number[]): number {
  return upper.reduce((sum, region) => sum + lower.filter((other) => other < region).length, 0);
}

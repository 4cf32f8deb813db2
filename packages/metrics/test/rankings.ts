/** Every order of the items that sorts the scores descending: equal scores in all orders. */
export function tiedOrders(scores: readonly number[], left: readonly number[] = scores.map((_, i) => i)): number[][] {
  if (left.length === 0) return [[]];
  const best = Math.max(...left.map((i) => scores[i]!));
  return left
    .filter((i) => scores[i] === best)
    .flatMap((i) =>
      tiedOrders(
        scores,
        left.filter((j) => j !== i),
      ).map((rest) => [i, ...rest]),
    );
}

/** The chance of a hit among the first k, by going through all orders. */
export function naiveHit(scores: readonly number[], hits: readonly boolean[], k: number): number {
  return mean(tiedOrders(scores).map((order) => Number(order.slice(0, k).some((i) => hits[i]))));
}

export const mean = (values: readonly number[]): number =>
  values.length === 0 ? 0 : values.reduce((a, b) => a + b, 0) / values.length;

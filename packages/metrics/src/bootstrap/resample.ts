import { RandomState, VillaError } from "@villa/data";

/** What is drawn again and again. */
export interface ResamplingOptions {
  /** Number of items: images, queries, … */
  readonly items: number;
  /** [items] what belongs together, such as the images of one patient: whole groups are drawn. */
  readonly groups?: readonly (string | number)[] | undefined;
  /** Default 1000. */
  readonly resamples?: number | undefined;
  /** Default 0. */
  readonly seed?: number | undefined;
}

/**
 * Samples of the items with replacement, as many items as there are, or as many groups with all their items.
 *
 * Sample after sample is `RandomState(seed).randint(0, n)`, n times: `numpy.random.RandomState(seed).randint(0, n, n)`. Groups
 * are numbered in the order in which they first appear.
 *
 * @returns each [items] indices with repetitions; with groups their number varies
 * @throws VillaError `InvalidArgument` for no items or resamples, `Mismatch` for groups of another number
 */
export function* bootstrapSamples(options: ResamplingOptions): Generator<Int32Array> {
  const { items, groups, resamples = 1000, seed = 0 } = options;
  if (!(Number.isInteger(items) && items > 0)) {
    throw new VillaError("InvalidArgument", `A bootstrap needs at least one item, not ${items}.`);
  }
  if (!(Number.isInteger(resamples) && resamples > 0)) {
    throw new VillaError("InvalidArgument", `A bootstrap needs a whole number of resamples above 0, not ${resamples}.`);
  }
  const members = groups && membersOf(groups, items);
  const random = new RandomState(seed);
  for (let r = 0; r < resamples; r++) {
    if (!members) yield new Int32Array(items).map(() => random.randint(0, items));
    else {
      const drawn = members.map(() => members[random.randint(0, members.length)]!);
      yield Int32Array.from(drawn.flat());
    }
  }
}

function membersOf(groups: readonly (string | number)[], items: number): number[][] {
  if (groups.length !== items) {
    throw new VillaError("Mismatch", `${items} items need as many groups, not ${groups.length}.`);
  }
  const members = new Map<string | number, number[]>();
  groups.forEach((group, item) => {
    const known = members.get(group);
    if (known) known.push(item);
    else members.set(group, [item]);
  });
  return [...members.values()];
}

/**
 * The q-th quantile with linear interpolation between the two nearest values, as `numpy.quantile` does by default.
 *
 * @param sorted ascending, at least one
 */
export function quantile(sorted: Float64Array, q: number): number {
  const place = q * (sorted.length - 1);
  const below = Math.floor(place);
  const [low, high] = [sorted[below]!, sorted[Math.min(below + 1, sorted.length - 1)]!];
  return low + (high - low) * (place - below);
}

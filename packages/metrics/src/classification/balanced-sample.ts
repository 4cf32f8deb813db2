import { checkArgument, RandomState, VillaError } from "@villa/data";

/** What {@link balancedSample} draws from. */
export interface BalancedSampleOptions {
  /** [n, k] row-major: 1 where the example has the label. */
  readonly labels: ArrayLike<number>;
  /** Names of the k labels. */
  readonly names: readonly string[];
  /** Examples to draw for each label. */
  readonly perLabel: number;
  readonly seed: number;
  /** Draw only examples that have no other of the k labels. Default true. */
  readonly exclusive?: boolean | undefined;
}

/** The examples drawn for one label, ascending. */
export interface LabelSample {
  readonly label: string;
  readonly examples: readonly number[];
}

/**
 * "k × n" samples: for each of k labels n different examples that have it, and none of the others, drawn with a seed.
 *
 * GLoRIA's CheXpert 5×200 is made like this, 200 images for each of five findings. Such a number can only be repeated with
 * the list of images, so write the result out beside it. For each label in turn the sample is
 * `RandomState.sample(candidates, perLabel)`, one generator for all labels.
 *
 * @throws VillaError `Mismatch` for sizes that do not fit, or when a label has fewer than `perLabel` candidates
 * @see Huang et al., GLoRIA, ICCV 2021, section 4.1
 */
export function balancedSample(options: BalancedSampleOptions): LabelSample[] {
  checkArgument("options", options, {
    labels: "numbers",
    names: ["text"],
    perLabel: "count",
    seed: "number",
    "exclusive?": "boolean",
  });

  const { labels, names, perLabel, seed, exclusive = true } = options;
  const examples = labels.length / (names.length || 1);
  if (names.length === 0 || !Number.isInteger(examples)) {
    throw new VillaError("Mismatch", `${labels.length} values of "labels" do not form rows of ${names.length} labels.`);
  }
  const random = new RandomState(seed);
  return names.map((label, k) => {
    const candidates: number[] = [];
    for (let i = 0; i < examples; i++) {
      const row = Array.from(names, (_, j) => labels[i * names.length + j] === 1);
      if (row[k] && (!exclusive || row.filter(Boolean).length === 1)) candidates.push(i);
    }
    if (candidates.length < perLabel) {
      const only = exclusive ? " and no other label" : "";
      throw new VillaError(
        "Mismatch",
        `Only ${candidates.length} examples have "${label}"${only}, fewer than the ${perLabel} to draw.`,
      );
    }
    const drawn = Array.from(random.sample(candidates.length, perLabel), (i) => candidates[i]!);
    return { label, examples: drawn.sort((a, b) => a - b) };
  });
}

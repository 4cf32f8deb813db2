import { type RandomState, VillaError } from "@villa/data";

export interface BatchOptions {
  readonly examples: number;
  readonly batchSize: number;
  readonly dropLast?: boolean;
  readonly shuffle?: boolean;
  readonly random: RandomState;
}

/**
 * Steps of an epoch.
 *
 * @throws VillaError `InvalidArgument` when there is none
 */
export function stepsPerEpoch({ examples, batchSize, dropLast = true }: Omit<BatchOptions, "random">): number {
  const steps = dropLast ? Math.floor(examples / batchSize) : Math.ceil(examples / batchSize);
  if (!(steps >= 1 && batchSize >= 1)) {
    const advice = "use a smaller batch size or keep the last batch";
    throw new VillaError("InvalidArgument", `${examples} examples make no batch of ${batchSize}; ${advice}.`);
  }
  return steps;
}

/** The batches of one epoch, as indices of examples. Draws one permutation when shuffling. */
export function epochBatches(options: BatchOptions): Int32Array[] {
  const { examples, batchSize, shuffle = true, random } = options;
  const order = shuffle ? random.permutation(examples) : Int32Array.from({ length: examples }, (_, index) => index);
  return Array.from({ length: stepsPerEpoch(options) }, (_, step) =>
    order.subarray(step * batchSize, Math.min((step + 1) * batchSize, examples)),
  );
}

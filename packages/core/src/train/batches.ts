import { checkArgument, type RandomState, VillaError } from "@villa/data";

/** How examples are put into batches. */
export interface BatchOptions {
  readonly examples: number;
  readonly batchSize: number;
  readonly dropLast?: boolean | undefined;
  readonly shuffle?: boolean | undefined;
  /** Makes an epoch this many steps, of as many passes over the examples as that takes, instead of one pass. */
  readonly stepsPerEpoch?: number | undefined;
  readonly random: RandomState;
}

const batchRule = {
  examples: "number",
  batchSize: "count",
  "dropLast?": "boolean",
  "shuffle?": "boolean",
  "stepsPerEpoch?": "number",
} as const;

/**
 * Steps of an epoch.
 *
 * @throws VillaError `InvalidArgument` when there is none
 */
export function stepsPerEpoch(options: Omit<BatchOptions, "random">): number {
  checkArgument("options", options, batchRule);

  const steps = options.stepsPerEpoch ?? stepsPerPass(options);
  if (Number.isSafeInteger(steps) && steps >= 1 && stepsPerPass(options) >= 1) return steps;
  throw new VillaError("InvalidArgument", `An epoch cannot have ${steps} steps; give a whole number of at least 1.`);
}

/** The batches of one epoch, as indices of examples. Draws one permutation a pass when shuffling. */
export function epochBatches(options: BatchOptions): Int32Array[] {
  checkArgument("options", options, { ...batchRule, random: { permutation: "function" } });

  const { examples, batchSize, shuffle = true, random } = options;
  const steps = stepsPerEpoch(options);
  const perPass = stepsPerPass(options);
  const batches: Int32Array[] = [];
  while (batches.length < steps) {
    const order = shuffle ? random.permutation(examples) : Int32Array.from({ length: examples }, (_, index) => index);
    const count = Math.min(perPass, steps - batches.length);
    for (let step = 0; step < count; step++) {
      batches.push(order.subarray(step * batchSize, Math.min((step + 1) * batchSize, examples)));
    }
  }
  return batches;
}

function stepsPerPass({ examples, batchSize, dropLast = true }: Omit<BatchOptions, "random">): number {
  const steps = dropLast ? Math.floor(examples / batchSize) : Math.ceil(examples / batchSize);
  if (steps >= 1 && batchSize >= 1) return steps;
  const advice = "use a smaller batch size or keep the last batch";
  throw new VillaError("InvalidArgument", `${examples} examples make no batch of ${batchSize}; ${advice}.`);
}

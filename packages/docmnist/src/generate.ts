import {
  type ArgumentRule,
  checkArgument,
  type ProgressListener,
  RandomState,
  throwIfAborted,
  VillaError,
} from "@villa/data";
import {
  checkAttributes,
  type DocMnistAttributes,
  docMnistAttributeRule,
  docMnistAttributes,
  largestRegionComplexity,
} from "./attributes.ts";
import { cellSize, checkDigits, type DigitSet, type DigitSource, indicesWithLabels } from "./digits.ts";
import type { DocMnistSample, SplitName } from "./sample.ts";
import { SampleBuilder } from "./sample-builder.ts";

/** What to generate. The defaults are the reference's. */
export interface DocMnistOptions {
  readonly digits: DigitSource;
  /** (region, attribute) pairs of the train split, all images together: at most this many. */
  readonly attributeBudget: number;
  /** (region, attribute) pairs of an image: at most this many, and at least 4. */
  readonly targetSampleComplexity: number;
  /** The same budget for the val split; default 10 000, 0 for none. */
  readonly valAttributeBudget?: number | undefined;
  /** The same budget for a test split; default 0, none. */
  readonly testAttributeBudget?: number | undefined;
  /** Seed of NumPy's legacy generator; default 23. Equal seeds and options give equal datasets. */
  readonly seed?: number | undefined;
  /** Draw from this generator instead of a new one from `seed`. */
  readonly random?: RandomState | undefined;
  readonly attributes?: DocMnistAttributes | undefined;
  /** Cells per row and column, 1…9; default 3. */
  readonly gridSize?: number | undefined;
  /** Paint every image into the same memory: a sample's image is then good only until the next sample. */
  readonly reuseImage?: boolean | undefined;
  readonly onProgress?: ProgressListener | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** All samples of a dataset, by split. */
export interface DocMnistDataset {
  readonly train: readonly DocMnistSample[];
  readonly val: readonly DocMnistSample[];
  readonly test: readonly DocMnistSample[];
}

/**
 * Generates a whole dataset in memory: 21 kB an image. For large ones see {@link streamDocMnist}.
 *
 * @throws VillaError `InvalidArgument` or `Mismatch` for options that cannot be met, `Aborted`
 */
export function generateDocMnist(options: DocMnistOptions): DocMnistDataset {
  const dataset: Record<SplitName, DocMnistSample[]> = { train: [], val: [], test: [] };
  for (const sample of streamDocMnist({ ...options, reuseImage: false })) dataset[sample.split].push(sample);
  return dataset;
}

/** What {@link DocMnistOptions} have to be. */
export const docMnistOptions = {
  digits: { train: "object", "test?": "object" },
  attributeBudget: "number",
  targetSampleComplexity: "number",
  "valAttributeBudget?": "number",
  "testAttributeBudget?": "number",
  "seed?": "number",
  "random?": { shuffle: "function" },
  "attributes?": docMnistAttributeRule,
  "gridSize?": "number",
  "reuseImage?": "boolean",
  "onProgress?": "function",
  "signal?": "object",
} satisfies ArgumentRule;

/**
 * Generates a dataset one image at a time: train, then val, then test. Nothing is kept, so memory does not grow with the
 * budget. Each sample's image is the caller's, unless `reuseImage` is set.
 *
 * @example for (const { image, text } of streamDocMnist({ digits, attributeBudget: 3e6, targetSampleComplexity: 16 })) …
 * @throws VillaError `InvalidArgument` or `Mismatch` for options that cannot be met, `Aborted`
 * @see ViLLA paper, section 3.1, "DocMNIST"
 */
export function streamDocMnist(options: DocMnistOptions): Generator<DocMnistSample, void, undefined> {
  checkArgument("options", options, docMnistOptions);

  checkOptions(options); // here and not in the generator function, so that a mistake shows at the call
  return generate(options);
}

function* generate(options: DocMnistOptions): Generator<DocMnistSample, void, undefined> {
  const { digits, attributes = docMnistAttributes, gridSize = 3, targetSampleComplexity, onProgress, signal } = options;
  const random = options.random ?? new RandomState(options.seed ?? 23);
  const pools = drawPools(digits, attributes, random);
  const imageSize = 3 * (gridSize * cellSize) ** 2;
  const shared = options.reuseImage ? new Uint8Array(imageSize) : undefined;
  let id = 0;
  for (const [split, budget] of splitBudgets(options)) {
    if (budget === 0) continue;
    const builder = new SampleBuilder({ ...pools[split], attributes, gridSize, targetSampleComplexity, random });
    let spent = 0;
    for (;;) {
      throwIfAborted(signal, "Generating DocMNIST was stopped; the same command begins anew.");
      builder.drawRegions();
      // The image that would exceed the budget is dropped, its draws stay consumed.
      if (spent + builder.sampleComplexity > budget) break;
      spent += builder.sampleComplexity;
      yield builder.finish({ id: id++, split, image: shared?.fill(0) ?? new Uint8Array(imageSize) });
      onProgress?.({ task: `generating ${split} images`, done: spent, total: budget, unit: "attributes" });
    }
  }
}

function splitBudgets(options: Omit<DocMnistOptions, "digits">): [SplitName, number][] {
  return [
    ["train", options.attributeBudget],
    ["val", options.valAttributeBudget ?? 10_000],
    ["test", options.testAttributeBudget ?? 0],
  ];
}

interface Pool {
  readonly digits: DigitSet;
  /** Indices of the usable digits of `digits`. */
  readonly pool: Int32Array;
}

/** Shuffles the training digits; the first fifth is for val. */
function drawPools(source: DigitSource, attributes: DocMnistAttributes, random: RandomState): Record<SplitName, Pool> {
  const labels = attributes.digits.map((digit) => digit.label);
  const order = random.shuffle(indicesWithLabels(source.train, labels));
  const forVal = Math.floor(order.length * 0.2);
  const val = { digits: source.train, pool: order.subarray(0, forVal) };
  const test = source.test ? { digits: source.test, pool: indicesWithLabels(source.test, labels) } : val;
  return { train: { digits: source.train, pool: order.subarray(forVal) }, val, test };
}

function checkOptions(options: DocMnistOptions): void {
  const { digits, attributes = docMnistAttributes } = options;
  checkSettings(options);
  checkDigits(digits.train, "The training digits");
  if (digits.test) checkDigits(digits.test, "The test digits");
  checkClasses(options, attributes);
}

/**
 * Checks everything but the digits, so that a mistake shows before they are downloaded.
 *
 * @throws VillaError `InvalidArgument`
 */
export function checkSettings(options: Omit<DocMnistOptions, "digits">): void {
  const { attributes = docMnistAttributes, gridSize = 3, seed = 23, targetSampleComplexity: target } = options;
  const fail = (sentence: string): never => {
    throw new VillaError("InvalidArgument", sentence);
  };
  checkAttributes(attributes);
  const smallest = largestRegionComplexity(attributes);
  if (!Number.isInteger(target) || target < smallest) {
    fail(`The target sample complexity must be a whole number of at least ${smallest}, not ${target}.`);
  }
  if (!Number.isSafeInteger(options.attributeBudget) || options.attributeBudget <= 0) {
    fail(`The attribute budget must be a whole number above 0, not ${options.attributeBudget}.`);
  }
  for (const [split, budget] of splitBudgets(options)) {
    if (!Number.isSafeInteger(budget) || budget < 0) {
      fail(`The ${split} attribute budget must be a whole number of at least 0, not ${budget}.`);
    }
  }
  if (!Number.isInteger(seed) || seed < 0 || seed > 0xffffffff) {
    fail(`The seed must be a whole number between 0 and 4294967295, not ${seed}.`);
  }
  if (!Number.isInteger(gridSize) || gridSize < 1 || gridSize > 9) {
    fail(`The grid must have between 1 and 9 cells per side, not ${gridSize}.`);
  }
}

/** Every split must have pictures of every digit it may draw. */
function checkClasses({ digits, testAttributeBudget = 0 }: DocMnistOptions, attributes: DocMnistAttributes): void {
  const sets = testAttributeBudget > 0 && digits.test ? [digits.train, digits.test] : [digits.train];
  for (const set of sets) {
    for (const { label, name } of attributes.digits) {
      if (!set.labels.includes(label)) {
        throw new VillaError(
          "InvalidArgument",
          `No digit picture is labelled ${label} ("${name}"); leave that digit out.`,
        );
      }
    }
  }
  if (
    indicesWithLabels(
      digits.train,
      attributes.digits.map((digit) => digit.label),
    ).length < 5
  ) {
    throw new VillaError("InvalidArgument", "At least 5 digit pictures are needed, so that train and val have some.");
  }
}

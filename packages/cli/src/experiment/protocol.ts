import type { PairMode } from "@villa/vlm";

/** What is compared, from the same data and the same starting weights. */
export const pairModes: readonly PairMode[] = ["image", "mapping", "oracle"];

/** What an experiment measures of its models. */
export interface Experiment {
  readonly name: "complexity" | "detection";
  readonly unit: "R-Precision" | "AP50";
  /** Numbers of a model by their keys, each with the title of its panel and a letter for tables. */
  readonly measures: readonly { readonly key: string; readonly title: string; readonly letter: string }[];
  readonly protocol: ExperimentProtocol;
}

/** How models are judged as detectors. */
export interface DetectionProtocol {
  /** Groups of attributes, or groups joined by `+`, as `villa evaluate --classes` takes them. */
  readonly classes: readonly string[];
  /** The grid, as `villa evaluate --proposals` takes it. */
  readonly proposals: string;
  /** A box is dropped where it overlaps a better one of its class by more. */
  readonly nms: number;
  /** Of the softmax over the classes. */
  readonly temperature: number;
}

/** Everything that decides the numbers of an experiment. */
export interface ExperimentProtocol {
  /** Target sample complexities: (region, attribute) pairs of an image, at most. */
  readonly complexities: readonly number[];
  /** Each draws its own dataset and starting weights. */
  readonly seeds: readonly number[];
  /** (region, attribute) pairs of a training split, whatever its complexity. */
  readonly attributeBudget: number;
  readonly valAttributeBudget: number;
  /** The test split that all models share. */
  readonly test: { readonly seed: number; readonly attributeBudget: number; readonly complexity: number };
  /** Glyph digits to draw where no others are given. */
  readonly glyphs: number;
  readonly stage1: {
    readonly dimension: number;
    readonly epochs: number;
    readonly batchSize: number;
    readonly learningRate: number;
  };
  readonly stage2: {
    readonly width: number;
    readonly dimension: number;
    readonly learningRate: number;
    readonly steps: number;
    /** Steps between two validations; the best of them is evaluated. */
    readonly stepsPerEpoch: number;
    /** Region-text pairs of a step, in every mode: a batch takes as many images as give that many. */
    readonly pairsPerStep: number;
  };
  /** Of the detection experiment. */
  readonly detection?: DetectionProtocol | undefined;
}

/** About an hour on two cores. */
export const complexityProtocol: ExperimentProtocol = {
  complexities: [6, 12, 18, 24, 33], // 5.0, 11.3, 17.2, 23.2 and 29.3 on average
  seeds: [23, 24, 25],
  attributeBudget: 30_000,
  valAttributeBudget: 2_000,
  test: { seed: 23, attributeBudget: 8_000, complexity: 16 },
  glyphs: 10_000,
  stage1: { dimension: 256, epochs: 6, batchSize: 64, learningRate: 1e-3 },
  stage2: { width: 8, dimension: 64, learningRate: 1e-3, steps: 600, stepsPerEpoch: 100, pairsPerStep: 64 },
};

/** Retrieval against sample complexity. */
export const complexityExperiment: Experiment = {
  name: "complexity",
  unit: "R-Precision",
  measures: [
    { key: "textToRegion", title: "text → region", letter: "T" },
    { key: "regionToText", title: "region → text", letter: "R" },
  ],
  protocol: complexityProtocol,
};

/** Detection against sample complexity: the same data and training; the models then find digits. */
export const detectionExperiment: Experiment = {
  name: "detection",
  unit: "AP50",
  measures: [
    { key: "grid", title: "a grid of proposals", letter: "G" },
    { key: "truth", title: "the true boxes", letter: "B" },
  ],
  protocol: {
    ...complexityProtocol,
    // Of the four levels the third has the cells' size; jitter moves every edge by up to a tenth of it.
    detection: { classes: ["digit"], proposals: "pyramid:1-4:0.1", nms: 0.5, temperature: 0.07 },
  },
};

/** One point of every line: a dataset and the models trained on it. */
export interface ExperimentCell {
  readonly complexity: number;
  readonly seed: number;
}

export interface ModelResult {
  readonly pairs: PairMode;
  /** Pairs of the training split, and of a step on average. */
  readonly trainingPairs: number;
  readonly imagesPerStep: number;
  /** From 1. */
  readonly bestEpoch: number | null;
  /** By the keys of the experiment's measures, in 0 … 1. */
  readonly numbers: Readonly<Record<string, number>>;
  readonly seconds: number;
}

export interface CellResult extends ExperimentCell {
  /** Average of the training split. */
  readonly averageComplexity: number;
  readonly images: number;
  /** F1 of the mapping on the training split, in 0 … 1. */
  readonly mappingF1: number;
  readonly models: readonly ModelResult[];
}

export interface ModeSummary {
  readonly pairs: PairMode;
  /** By the keys of the experiment's measures. */
  readonly numbers: Readonly<Record<string, Spread>>;
}

/** Over seeds, in 0 … 1; `deviation` is that of a sample, 0 for a single one. */
export interface Spread {
  readonly mean: number;
  readonly deviation: number;
}

export interface ExperimentSummary {
  readonly complexity: number;
  readonly averageComplexity: number;
  readonly images: number;
  readonly mappingF1: Spread;
  readonly modes: readonly ModeSummary[];
}

/** Means over seeds, a row for each complexity. */
export function summarize(cells: readonly CellResult[]): ExperimentSummary[] {
  const complexities = [...new Set(cells.map(({ complexity }) => complexity))].sort((a, b) => a - b);
  return complexities.map((complexity) => {
    const own = cells.filter((cell) => cell.complexity === complexity);
    const modes = pairModes.map((pairs) => {
      const models = own.flatMap((cell) => cell.models.filter((model) => model.pairs === pairs));
      const keys = Object.keys(models[0]?.numbers ?? {});
      return {
        pairs,
        numbers: Object.fromEntries(keys.map((key) => [key, spread(models.map(({ numbers }) => numbers[key]!))])),
      };
    });
    return {
      complexity,
      averageComplexity: spread(own.map(({ averageComplexity }) => averageComplexity)).mean,
      images: Math.round(spread(own.map(({ images }) => images)).mean),
      mappingF1: spread(own.map(({ mappingF1 }) => mappingF1)),
      modes,
    };
  });
}

function spread(values: readonly number[]): Spread {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: values.length > 1 ? Math.sqrt(squares / (values.length - 1)) : 0 };
}

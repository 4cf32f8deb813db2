/** How much of everything a quickstart does. */
export interface QuickstartSizes {
  /** (region, attribute) pairs of each split. */
  readonly budgets: { readonly train: number; readonly val: number; readonly test: number };
  /** (region, attribute) pairs of an image, at most. */
  readonly sampleComplexity: number;
  /** Glyph digits to draw for train and val, and for test. */
  readonly glyphs: { readonly train: number; readonly test: number };
  /** Length of the region embeddings. */
  readonly dimension: number;
  readonly stage1: { readonly epochs: number; readonly batchSize: number; readonly learningRate: number };
  readonly stage2: {
    readonly epochs: number;
    readonly batchSize: number;
    readonly learningRate: number;
    readonly width: number;
    readonly dimension: number;
  };
}

/** Enough to see every stage learn, little enough for a laptop without a GPU. */
export const quickstartSizes: QuickstartSizes = {
  budgets: { train: 8_000, val: 1_500, test: 3_000 },
  sampleComplexity: 16,
  glyphs: { train: 4_000, test: 1_000 },
  dimension: 256,
  stage1: { epochs: 10, batchSize: 64, learningRate: 1e-3 },
  stage2: { epochs: 6, batchSize: 32, learningRate: 1e-3, width: 8, dimension: 64 },
};

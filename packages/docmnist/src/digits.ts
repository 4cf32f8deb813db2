import { VillaError } from "@villa/data";

/** Side of a digit picture and of a grid cell, in pixels. */
export const cellSize = 28;

/** Grey digit pictures with their classes. */
export interface DigitSet {
  /** [n, 28, 28] uint8, row-major; 0 is background. */
  readonly images: Uint8Array;
  /** [n] uint8 */
  readonly labels: Uint8Array;
}

/** Where a dataset's digits come from: the training digits are split into train and val pools. */
export interface DigitSource {
  readonly train: DigitSet;
  /** Digits for the test split; without them a test split draws from the val pool. */
  readonly test?: DigitSet | undefined;
}

/**
 * Checks that pictures and labels fit together.
 *
 * @throws VillaError `Mismatch`
 */
export function checkDigits(digits: DigitSet, what = "The digits"): void {
  const { images, labels } = digits;
  if (labels.length === 0 || images.length !== labels.length * cellSize * cellSize) {
    throw new VillaError(
      "Mismatch",
      `${what} have ${labels.length} labels but ${images.length / (cellSize * cellSize)} pictures of 28×28 pixels.`,
    );
  }
}

/** The indices of `digits` that have one of the labels, in order. */
export function indicesWithLabels(digits: DigitSet, labels: readonly number[]): Int32Array {
  const wanted = new Uint8Array(256);
  for (const label of labels) wanted[label] = 1;
  const indices = new Int32Array(digits.labels.length);
  let count = 0;
  for (let i = 0; i < digits.labels.length; i++) if (wanted[digits.labels[i]!]) indices[count++] = i;
  return indices.subarray(0, count);
}

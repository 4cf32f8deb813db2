import { VillaError } from "@villa/data";

/** @throws VillaError `NotFinite`: weights that are not numbers would rank everything equally, and say so with "NaN" */
export function requireNumbers(scored: readonly { readonly score: number }[]): void {
  if (scored.every(({ score }) => Number.isFinite(score))) return;
  throw new VillaError("NotFinite", "The model gives scores that are not numbers; its weights are damaged.");
}

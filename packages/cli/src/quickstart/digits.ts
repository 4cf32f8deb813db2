import { join } from "node:path";
import { cacheDirectory } from "@villa/data/node";
import { type DigitSource, glyphSource } from "@villa/docmnist";
import { loadMnist } from "@villa/docmnist/node";

/** Digits to build the dataset from, with words for the report. */
export interface QuickstartDigits extends DigitSource {
  readonly description: string;
}

/**
 * Digits without any download.
 *
 * @param source "glyphs", "mnist" (as the cache folder has it), a folder with MNIST's files, or "auto": MNIST where it is
 *   in the cache, else glyphs
 * @throws VillaError `NotFound`, `InvalidFile`
 */
export async function quickstartDigits(
  source: string,
  { seed, glyphs }: { readonly seed: number; readonly glyphs: { readonly train: number; readonly test: number } },
): Promise<QuickstartDigits> {
  const cached = join(cacheDirectory(), "mnist");
  if (source === "auto") {
    // An incomplete download is no reason to stop: glyphs always work.
    return quickstartDigits("mnist", { seed, glyphs }).catch(() => quickstartDigits("glyphs", { seed, glyphs }));
  }
  if (source !== "glyphs") {
    const digits = await loadMnist(source === "mnist" ? cached : source);
    return { ...digits, description: source === "mnist" ? "MNIST" : `digits of ${source}` };
  }
  return { ...glyphSource(seed, glyphs), description: "glyphs (drawn digits that need no download)" };
}

import { existsSync } from "node:fs";
import { mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { VillaError } from "@villa/data";
import { cacheDirectory } from "@villa/data/node";
import { type DigitSource, glyphSource } from "@villa/docmnist";
import { loadMnist } from "@villa/docmnist/node";

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

const marker = ".villa-quickstart";

/**
 * Makes an empty folder for a quickstart. What an earlier quickstart left in it goes; a folder of anything else is refused.
 *
 * @throws VillaError `AlreadyExists`
 */
export async function freshFolder(path: string): Promise<string> {
  const folder = resolve(path);
  if (existsSync(folder)) {
    const names = await readdir(folder).catch((): never => {
      throw new VillaError("AlreadyExists", `${folder} is a file; give another --out.`);
    });
    if (names.length > 0 && !names.includes(marker)) {
      throw new VillaError(
        "AlreadyExists",
        `${folder} holds something that is not a quickstart, so it is not replaced; give another --out.`,
      );
    }
    // The folder itself stays: a shell may stand in it.
    for (const name of names.filter((each) => each !== marker)) {
      await rm(join(folder, name), { recursive: true, force: true });
    }
  }
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, marker), "Made by `villa quickstart`, which replaces this folder when it runs again.\n");
  return folder;
}

/** What ran, where and for how long. */
export interface TimedStep {
  readonly name: string;
  /** Backend and threads. */
  readonly where: string;
  readonly seconds: number;
}

/** Notes how long each step of a run takes. */
export class Timeline {
  readonly steps: TimedStep[] = [];
  readonly #onStart: (name: string) => void;

  /** @param onStart told the name of each step as it begins */
  constructor(onStart: (name: string) => void = () => {}) {
    this.#onStart = onStart;
  }

  async time<T>({ name, where }: Omit<TimedStep, "seconds">, work: () => Promise<T>): Promise<T> {
    this.#onStart(name);
    const started = performance.now();
    const result = await work();
    this.steps.push({ name, where, seconds: (performance.now() - started) / 1000 });
    return result;
  }

  get seconds(): number {
    return this.steps.reduce((sum, step) => sum + step.seconds, 0);
  }
}

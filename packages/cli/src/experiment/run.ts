import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { createTaskPool } from "@villa/backend-node";
import { type ProgressListener, VillaError } from "@villa/data";
import { atomicWriteFile } from "@villa/data/node";
import { type DigitSet, type DigitSource, glyphDigits } from "@villa/docmnist";
import { loadMnist, writeDataset } from "@villa/docmnist/node";
import type { CellTask } from "./cell.ts";
import { complexityFigure } from "./figure.ts";
import {
  type CellResult,
  type ComplexityCell,
  type ComplexityProtocol,
  type ComplexitySummary,
  complexityProtocol,
  summarize,
} from "./protocol.ts";

export interface ComplexityOptions {
  /** Folder for results; cells found in it are not computed again. */
  readonly out: string;
  /** "glyphs" or a folder with MNIST's files. */
  readonly digits: string;
  readonly protocol?: ComplexityProtocol | undefined;
  /** Cells computed side by side. Default: one a core. */
  readonly jobs?: number | undefined;
  readonly backend?: string | undefined;
  readonly progress?: ProgressListener | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ComplexityResult {
  readonly protocol: ComplexityProtocol;
  readonly digits: string;
  readonly summary: readonly ComplexitySummary[];
  readonly cells: readonly CellResult[];
  /** Files written. */
  readonly json: string;
  readonly figure: string;
}

/**
 * The paper's question on DocMNIST: how does retrieval change with sample complexity, when a model learns from whole
 * images, from ViLLA's mapped regions, or from the true regions? Equal attribute budgets, steps, pairs a step and starting
 * weights; one common test split; several seeds.
 *
 * An interrupted run goes on with the cells that are missing.
 *
 * @throws VillaError `Mismatch` when `out` holds cells of another protocol
 */
export async function runComplexity(options: ComplexityOptions): Promise<ComplexityResult> {
  const { protocol = complexityProtocol, progress, signal } = options;
  const out = resolve(options.out);
  await mkdir(join(out, "cells"), { recursive: true });
  const digits = await digitsWithTest(options.digits, protocol);
  const { directory: testDirectory } = await writeDataset({
    digits,
    seed: protocol.test.seed,
    out,
    name: "test",
    overwrite: true,
    attributeBudget: protocol.test.complexity, // the split is not used, but the generator wants one
    valAttributeBudget: protocol.test.complexity,
    testAttributeBudget: protocol.test.attributeBudget,
    targetSampleComplexity: protocol.test.complexity,
  });
  const cells = protocol.seeds.flatMap((seed) => protocol.complexities.map((complexity) => ({ complexity, seed })));
  const store = new CellStore(join(out, "cells"), JSON.stringify({ digits: options.digits, ...settings(protocol) }));
  const results: CellResult[] = [];
  const report = (): void => {
    progress?.({ task: "training on datasets", done: results.length, total: cells.length, unit: "datasets" });
  };
  const missing: ComplexityCell[] = [];
  for (const cell of cells) {
    const found = await store.read(cell);
    if (found) results.push(found);
    else missing.push(cell);
  }
  report();
  const pool = createTaskPool({ threads: options.jobs, threadsPerWorker: 1, backend: options.backend });
  const module = new URL(import.meta.url.endsWith(".ts") ? "./task.ts" : "./experimentTask.js", import.meta.url).href;
  try {
    const compute = async (cell: ComplexityCell): Promise<void> => {
      const folder = join(out, `work-${cell.complexity}-${cell.seed}`);
      const task: CellTask = { ...cell, protocol, digits, testDirectory, folder };
      const result = await pool.run<CellResult>({ module, name: "cellTask" }, task, signal ? { signal } : {});
      await store.write(result);
      results.push(result);
      report();
    };
    await Promise.all(missing.map(compute));
  } finally {
    await pool.close();
  }
  results.sort((a, b) => a.complexity - b.complexity || a.seed - b.seed);
  const summary = summarize(results);
  const [json, figure] = [join(out, "complexity.json"), join(out, "complexity.svg")];
  const result = { protocol, digits: options.digits, summary, cells: results };
  await atomicWriteFile(json, `${JSON.stringify(result, null, 1)}\n`);
  await atomicWriteFile(figure, complexityFigure(results));
  return { ...result, json, figure };
}

/** What must be equal for cells to be comparable: all but which cells there are. */
function settings({ complexities: _, seeds: __, ...rest }: ComplexityProtocol) {
  return rest;
}

/** Finished cells, a file each. */
class CellStore {
  readonly #folder: string;
  readonly #settings: string;

  constructor(folder: string, settings: string) {
    this.#folder = folder;
    this.#settings = settings;
  }

  async read(cell: ComplexityCell): Promise<CellResult | undefined> {
    const path = this.#path(cell);
    if (!existsSync(path)) return undefined;
    const { settings, result } = JSON.parse(await readFile(path, "utf8")) as { settings: unknown; result: CellResult };
    if (JSON.stringify(settings) === this.#settings) return result;
    throw new VillaError("Mismatch", `${path} was made with other settings; give another --out, or remove it.`);
  }

  async write(result: CellResult): Promise<void> {
    const text = JSON.stringify({ settings: JSON.parse(this.#settings), result }, null, 1);
    await atomicWriteFile(this.#path(result), `${text}\n`);
  }

  #path({ complexity, seed }: ComplexityCell): string {
    return join(this.#folder, `complexity-${complexity}-seed-${seed}.json`);
  }
}

/** Digits of which a tenth is kept for the test split, unless the source has test digits of its own. */
async function digitsWithTest(source: string, { glyphs, test }: ComplexityProtocol): Promise<DigitSource> {
  if (source === "glyphs") return splitDigits(glyphDigits((test.seed ^ 0x5eed_0001) >>> 0, glyphs));
  const { train, test: own } = await loadMnist(source);
  return own ? { train, test: own } : splitDigits(train);
}

function splitDigits({ images, labels }: DigitSet): DigitSource {
  const cut = labels.length - Math.floor(labels.length / 10);
  const size = images.length / labels.length;
  return {
    train: { images: images.slice(0, cut * size), labels: labels.slice(0, cut) },
    test: { images: images.slice(cut * size), labels: labels.slice(cut) },
  };
}

import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { createTaskPool } from "@villa/backend-node";
import { type ProgressListener, VillaError } from "@villa/data";
import { atomicWriteFile, type PartSettings, PartStore } from "@villa/data/node";
import { type DigitSet, type DigitSource, glyphDigits } from "@villa/docmnist";
import { loadMnist, writeDataset } from "@villa/docmnist/node";
import type { CellTask } from "./cell.ts";
import { experimentFigure } from "./figure.ts";
import {
  type CellResult,
  type Experiment,
  type ExperimentCell,
  type ExperimentProtocol,
  type ExperimentSummary,
  summarize,
} from "./protocol.ts";

export interface ExperimentOptions {
  /** Folder for results; cells found in it are not computed again. */
  readonly out: string;
  /** "glyphs" or a folder with MNIST's files. */
  readonly digits: string;
  /** Default: the experiment's. */
  readonly protocol?: ExperimentProtocol | undefined;
  /** Cells computed side by side. Default: one a core. */
  readonly jobs?: number | undefined;
  readonly backend?: string | undefined;
  readonly onProgress?: ProgressListener | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ExperimentResult {
  readonly protocol: ExperimentProtocol;
  readonly digits: string;
  readonly summary: readonly ExperimentSummary[];
  readonly cells: readonly CellResult[];
  /** Files written. */
  readonly json: string;
  readonly figure: string;
}

/**
 * The paper's question on DocMNIST: how does retrieval, or detection, change with sample complexity, when a model learns
 * from whole images, from ViLLA's mapped regions, or from the true regions? Equal attribute budgets, steps, pairs a step and
 * starting weights; one common test split; several seeds.
 *
 * An interrupted run goes on with the cells that are missing.
 *
 * @throws VillaError `Mismatch` when `out` holds cells of another protocol
 */
export async function runExperiment(experiment: Experiment, options: ExperimentOptions): Promise<ExperimentResult> {
  const { protocol = experiment.protocol, onProgress, signal } = options;
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
  const store = cellStore(join(out, "cells"), cells, { digits: options.digits, ...settings(protocol) });
  await store.begin();
  const missing = await store.claim(cells.length);
  let done = cells.length - missing.length;
  const report = (): void => {
    onProgress?.({ task: "training on datasets", done, total: cells.length, unit: "datasets" });
  };
  report();
  const pool = createTaskPool({ threads: options.jobs, threadsPerWorker: 1, backend: options.backend });
  const module = new URL(import.meta.url.endsWith(".ts") ? "./cell.ts" : "./experimentTask.js", import.meta.url).href;
  try {
    const compute = async (index: number): Promise<void> => {
      const cell = cells[index]!;
      const folder = join(out, `work-${cell.complexity}-${cell.seed}`);
      const task: CellTask = { ...cell, protocol, digits, testDirectory, folder };
      const result = await pool.run<CellResult>({ module, name: "cellTask" }, task, { signal });
      await store.write(index, result);
      done++;
      report();
    };
    await Promise.all(missing.map(compute));
  } finally {
    await pool.close();
  }
  const results: CellResult[] = [];
  for await (const result of store.join(cells.length)) results.push(result);
  results.sort((a, b) => a.complexity - b.complexity || a.seed - b.seed);
  const summary = summarize(results);
  const { name } = experiment;
  const [json, figure] = [join(out, `${name}.json`), join(out, `${name}.svg`)];
  const result = { protocol, digits: options.digits, summary, cells: results };
  await atomicWriteFile(json, `${JSON.stringify(result, null, 1)}\n`);
  await atomicWriteFile(figure, experimentFigure(experiment, results));
  return { ...result, json, figure };
}

/** What must be equal for cells to be comparable: all but which cells there are. */
function settings({ complexities: _, seeds: __, ...rest }: ExperimentProtocol) {
  return rest;
}

/** Finished cells, a file each. */
function cellStore(folder: string, cells: readonly ExperimentCell[], settings: PartSettings): PartStore<CellResult> {
  return new PartStore({
    folder,
    extension: "json",
    name: (index) => `complexity-${cells[index]!.complexity}-seed-${cells[index]!.seed}`,
    encode: (result) => `${JSON.stringify(result, null, 1)}\n`,
    decode: (bytes) => {
      const cell = JSON.parse(new TextDecoder().decode(bytes)) as CellResult;
      // Cells from before version 0.2 hold F1 in percent, which a fraction never exceeds.
      return cell.mappingF1 > 1 ? { ...cell, mappingF1: cell.mappingF1 / 100 } : cell;
    },
    settings,
    conflict: (_, differing) =>
      new VillaError(
        "Mismatch",
        `${folder} holds results of another protocol (${differing.join(", ")}); give another --out, or remove it.`,
      ),
  });
}

/** Digits of which a tenth is kept for the test split, unless the source has test digits of its own. */
async function digitsWithTest(source: string, { glyphs, test }: ExperimentProtocol): Promise<DigitSource> {
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

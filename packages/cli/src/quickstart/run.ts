import { availableParallelism, cpus, totalmem } from "node:os";
import { join } from "node:path";
import { createTaskPool } from "@villa/backend-node";
import type { ActiveBackend } from "@villa/core";
import type { ProgressListener } from "@villa/data";
import { atomicWriteFile, openDataset } from "@villa/data/node";
import { writeDataset } from "@villa/docmnist/node";
import { pixelsEncoder } from "@villa/encoders";
import { stage1Config } from "@villa/mapping";
import { runStage1 } from "@villa/mapping/node";
import { preprocessDataset } from "@villa/preprocess";
import { stage2Config } from "@villa/vlm";
import { type EvaluateOptions, evaluateCheckpoint, runStage2 } from "@villa/vlm/node";
import type { ReportData, TrainedModel } from "../report/data.ts";
import { renderReport } from "../report/quickstart-page.ts";
import { mappedRegionPictures, samplePictures } from "./pictures.ts";
import { freshFolder, type QuickstartSizes, quickstartDigits, quickstartSizes, Timeline } from "./prepare.ts";

export interface QuickstartOptions {
  /** Folder for everything; replaced if an earlier quickstart made it. */
  readonly out: string;
  /** "glyphs", "mnist", a folder, or "auto". */
  readonly digits: string;
  readonly seed: number;
  readonly sizes?: QuickstartSizes | undefined;
  /** Threads for Stage 1; default every core. */
  readonly threads?: number | undefined;
  readonly onProgress?: ProgressListener | undefined;
  /** Told the name of each step as it begins. */
  readonly onStep?: ((name: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface QuickstartResult extends ReportData {
  /** The page to open. */
  readonly report: string;
}

/**
 * The whole pipeline, small: generates a dataset, embeds its regions, trains and judges the mapping, trains a
 * vision-language model on mapped pairs and one on image-text pairs, judges both, and writes `report.html`. Needs no
 * network.
 *
 * @param backend what TensorFlow.js runs on, already active
 * @throws VillaError as the stages do; `AlreadyExists` when `out` holds something else
 */
export async function runQuickstart(options: QuickstartOptions, backend: ActiveBackend): Promise<QuickstartResult> {
  const { seed, sizes = quickstartSizes, onProgress, signal } = options;
  const running = { onProgress, signal };
  const folder = await freshFolder(options.out);
  const checkpoints = join(folder, "checkpoints");
  const timeline = new Timeline(options.onStep);
  const where = backend.name;

  const digits = await quickstartDigits(options.digits, { seed, glyphs: sizes.glyphs });
  const written = await timeline.time({ name: "Generate DocMNIST", where: "TypeScript" }, () =>
    writeDataset({
      digits,
      seed,
      out: folder,
      name: "docmnist",
      attributeBudget: sizes.budgets.train,
      valAttributeBudget: sizes.budgets.val,
      testAttributeBudget: sizes.budgets.test,
      targetSampleComplexity: sizes.sampleComplexity,
      ...running,
    }),
  );
  const dataDir = written.directory;

  const encoder = pixelsEncoder({ dimension: sizes.dimension, seed });
  try {
    await timeline.time({ name: "Embed regions and attributes", where }, () =>
      preprocessDataset({ dataDir, encoder, ...running }),
    );
  } finally {
    encoder.dispose();
  }

  const pool = createTaskPool({ threads: options.threads });
  const stage1 = await timeline
    .time({ name: "Stage 1: learn the mapping, map", where: `${where}, ${pool.size} workers` }, () =>
      runStage1(stage1For(sizes, { dataDir, checkpoints, seed }), {
        pool,
        onProgress,
        signal,
      }),
    )
    .finally(() => pool.close());

  const judging: Omit<EvaluateOptions, "checkpoint"> = { dataDir, split: "test", onProgress, signal };
  const models: TrainedModel[] = [];
  let parameters = 0;
  for (const pairs of ["mapping", "image"] as const) {
    const trained = await timeline.time({ name: `Stage 2: train on ${describePairs[pairs]}`, where }, () =>
      runStage2(stage2For(sizes, pairs, { dataDir, checkpoints, seed }), { onProgress, signal }),
    );
    const evaluation = await timeline.time({ name: `Evaluate that model`, where }, () =>
      evaluateCheckpoint({ ...judging, checkpoint: trained.bestCheckpoint }),
    );
    models.push({ pairs, history: trained.history, pairCount: trained.pairs, evaluation });
    parameters = trained.parameters;
  }
  const untrained = await evaluateCheckpoint({ ...judging, checkpoint: "embeddings" });

  const dataset = await openDataset(dataDir);
  const data: ReportData = {
    folder,
    dataset: dataDir,
    finished: new Date().toISOString(),
    digits: digits.description,
    seed,
    splits: Object.entries(written.splits).map(([split, { images, averageSampleComplexity }]) => ({
      split,
      images,
      complexity: averageSampleComplexity,
    })),
    attributeGroups: dataset.vocabulary.groups.map(({ name, attributes }) => ({ name, attributes })),
    dimension: sizes.dimension,
    stage1: {
      history: stage1.history.map(({ shares: _, ...epoch }) => epoch),
      epsilon: typeof stage1.epsilon === "number" ? stage1.epsilon : 0,
      splits: stage1.mappings.flatMap(({ split, report }) => (report ? [{ split, report }] : [])),
    },
    models,
    untrained,
    parameters,
    steps: timeline.steps,
    seconds: timeline.seconds,
    machine: describeMachine(backend),
  };
  const pictures = {
    samples: await samplePictures(dataset, { split: "test", count: 6 }),
    ...(await mappedRegionPictures(dataset, { mappings: await dataset.mappings("test"), count: 6 })),
  };
  const report = join(folder, "report.html");
  await atomicWriteFile(join(folder, "quickstart.json"), `${JSON.stringify(data, null, 1)}\n`);
  await atomicWriteFile(report, renderReport(data, pictures));
  return { report, ...data };
}

const describePairs = { mapping: "mapped regions", image: "whole images" } as const;

interface Place {
  readonly dataDir: string;
  readonly checkpoints: string;
  readonly seed: number;
}

function stage1For({ stage1, dimension }: QuickstartSizes, { dataDir, checkpoints, seed }: Place) {
  return stage1Config({
    taskName: "stage1",
    dataDir,
    checkpointDir: checkpoints,
    seed,
    epochs: stage1.epochs,
    batchSize: stage1.batchSize,
    model: { embDim: dimension },
    optimizer: { lr: stage1.learningRate },
    mapping: { epsilon: "auto" },
    validate: true,
    keepOptimizer: false,
  });
}

/** Both kinds of pairs start from the same random weights: the seed is the same. */
function stage2For({ stage2 }: QuickstartSizes, pairs: TrainedModel["pairs"], { dataDir, checkpoints, seed }: Place) {
  return stage2Config(
    {
      taskName: `stage2_${pairs}`,
      dataDir,
      checkpointDir: checkpoints,
      pairs,
      seed,
      epochs: stage2.epochs,
      batchSize: stage2.batchSize,
      optimizer: { lr: stage2.learningRate },
      model: { width: stage2.width, embDim: stage2.dimension },
    },
    { experiment: "docmnist_stage2_small_roi" },
  );
}

function describeMachine(backend: ActiveBackend): (readonly [string, string])[] {
  return [
    ["Backend", `${backend.name} (${backend.device})${backend.detail ? `: ${backend.detail}` : ""}`],
    [
      "Processor",
      `${cpus()[0]?.model ?? "unknown"}, ${availableParallelism()} cores, ${(totalmem() / 2 ** 30).toFixed(0)} GiB`,
    ],
    ["Node.js", `${process.version}, ${process.platform} ${process.arch}`],
  ];
}

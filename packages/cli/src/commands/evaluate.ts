import {
  anyNumber,
  type CommonFlags,
  chosenShard,
  present,
  type RegisterCommand,
  type ShardFlags,
  seedNumber,
  table,
  wholeNumber,
  withCommonFlags,
  withShardFlags,
  wordList,
} from "@villa/command-kit";
import { type ProgressListener, type Shard, VillaError } from "@villa/data";
import { Option } from "commander";
import type { EvaluateFlags, EvaluationTask } from "../evaluate/task.ts";
import { tasks } from "../evaluate/tasks.ts";
import { regionsOption } from "./encoder-options.ts";
import { onBackend, type RuntimeFlags, withRuntimeFlags } from "./runtime.ts";

type Flags = EvaluateFlags & CommonFlags & RuntimeFlags & ShardFlags;

/** `villa evaluate`: established measures of trained models and of any detector. */
export const registerEvaluate: RegisterCommand = (program, context) => {
  const command = program
    .command("evaluate")
    .description("measures of a checkpoint on a held-out split, or of any detector's results, with intervals")
    .addOption(
      new Option("--task <name>", `what to measure\n${tasks.map(({ name, about }) => `${name}: ${about}`).join("\n")}`)
        .choices(tasks.map(({ name }) => name))
        .default("retrieval"),
    )
    .option("--data-dir <folder>", "the dataset")
    .option("--checkpoint <file>", "checkpoint of stage2; CLIP weights (zero-shot); or `embeddings`, the dataset's own")
    .option("--split <name>", "which images", "test")
    .option("--weights <file>", "CLIP weights of the text side, when they have moved")
    .addOption(regionsOption("how regions are embedded"))
    .option("--truth <file>", "detection: annotations in COCO's or LVIS's format (default: the dataset's own truth)")
    .option("--detections <file>", "detection: results of any detector, in COCO's format, instead of a model")
    .addOption(
      new Option(
        "--protocol <rules>",
        "detection: whose rules count (default: those of the format of --truth)",
      ).choices(["coco", "lvis"]),
    )
    .option("--novel <list>", "detection: categories to tell apart from the base ones, or a file that lists them")
    .addOption(
      new Option("--iou-type <type>", "detection: boxes or masks, of --detections or of the dataset's regions")
        .choices(["bbox", "segm"])
        .default("bbox"),
    )
    .option("--images <folder>", "detection: the images of --truth, to show mistakes of --detections in pictures")
    .option("--unknown-categories", "detection: leave out --detections of categories that --truth does not list")
    .option("--classes <list>", "attributes, groups, or groups joined by + (default: the first group)", wordList)
    .option(
      "--templates <list>",
      "sentences about a class, {} for its name, separated by | (default: the dataset's)",
      lines,
    )
    .option("--proposals <source>", "boxes: truth, pyramid:LEVEL[-LEVEL][:JITTER], or a file", "truth")
    .option(
      "--nms <overlap>",
      "detection: boxes that overlap a better one by more than this (IoU) are dropped",
      anyNumber,
      0.5,
    )
    .option("--temperature <t>", "detection: temperature of the softmax over classes; 0 for cosines", anyNumber, 0.07)
    .addOption(new Option("--of <what>", "classification: of what").choices(["boxes", "images"]).default("boxes"))
    .option("--samples <n>", "classification: draw n examples of each class, and no other", wholeNumber)
    .option("--negatives <n>", "fine-grained: false descriptions beside the true one", wholeNumber, 10)
    .option("--seed <n>", "seed of everything drawn", seedNumber, 0)
    .option(
      "--resamples <n>",
      "bootstrap samples behind the intervals; 0 for none (default: 1000, fewer for many detections)",
      seedNumber,
    )
    .option(
      "--group-by <column>",
      "what belongs together in the bootstrap: a column of the dataset or of its table, or a field of the images of --truth",
    )
    .option("--out <folder>", "write evaluation.json (all that repeats and compares it) and evaluation.html")
    .option("--report <file>", "write the page only, FILE.html")
    .addHelpText(
      "after",
      `
Examples:
  villa evaluate --data-dir data/docmnist_30000_15.2 --checkpoint checkpoints/docmnist_stage2/best.safetensors
  villa evaluate --data-dir data/docmnist_30000_15.2 --checkpoint embeddings --split val --json
  villa evaluate --task detection --truth instances_val.json --detections results.json --images val --out evaluated
  villa evaluate --task detection --data-dir data/docmnist_30000_15.2 --checkpoint checkpoints/docmnist_stage2/best.safetensors --proposals pyramid:1-4
  villa evaluate --task detection --data-dir data/lvis --checkpoint RN50.pt --truth lvis_v1_val.json --split val --proposals boxes.json
  villa evaluate --task classification --data-dir data/docmnist_30000_15.2 --checkpoint RN50.pt --samples 200`,
    );
  withShardFlags(command, "images");
  const options = [...command.options];
  withCommonFlags(withRuntimeFlags(command)).action(async ({ json, verbose, ...flags }: Flags) => {
    const task = tasks.find(({ name }) => name === flags.task)!;
    const given = options.filter((each) => command.getOptionValueSource(each.attributeName()) === "cli");
    checkUse(flags, { task, given: new Map(given.map((each) => [each.attributeName(), each.long!])) });
    const isShared = task.flags(flags).includes("shard");
    const shard = isShared ? chosenShard(flags, context.terminal) : undefined;
    if (shard) {
      return present(
        context,
        { json, verbose },
        (progress) =>
          onBackend({ ...flags, terminal: context.terminal }, () => embedShard(flags, shard, progress, context.signal)),
        ({ embeddedImages }) =>
          `${embeddedImages} images embedded; when all shards are done, villa merge evaluate with the same flags scores them.`,
      );
    }
    return present(
      context,
      { json, verbose },
      async (progress) => {
        const { jsonResult, runEvaluation } = await import("../evaluate/run.ts");
        const villa = program.version() ?? "unknown";
        const work = () => runEvaluation({ task, flags, villa }, { onProgress: progress, signal: context.signal });
        // Judging files needs no backend.
        const finished =
          flags.detections === undefined
            ? await onBackend({ ...flags, terminal: context.terminal }, work)
            : await work();
        return { ...jsonResult(finished), shown: () => describe(finished) };
      },
      ({ shown }) => shown(),
    );
  });
};

/** Flags of every task. */
const everyTask: ReadonlySet<string> = new Set(["task", "seed", "resamples", "groupBy", "out", "report"]);

/**
 * What is missing, or would be ignored, is told before anything is read.
 *
 * @param options `given`: the flags of the command line, as they are written there, by their names in `flags`
 * @throws VillaError `InvalidArgument`
 */
function checkUse(
  flags: Flags,
  { task, given }: { readonly task: EvaluationTask; readonly given: ReadonlyMap<string, string> },
): void {
  const { truth, detections, dataDir, checkpoint } = flags;
  const ofFiles = task.name === "detection" && detections !== undefined;
  const used: ReadonlySet<string> = new Set(task.flags(flags));
  for (const [name, flag] of given) {
    if (everyTask.has(name) || used.has(name)) continue;
    const way = ofFiles ? " --detections" : checkpoint === "embeddings" ? " --checkpoint embeddings" : "";
    const others = tasks.filter((each) => each !== task && each.flags(flags).some((own) => own === name));
    const instead =
      others.length > 0 ? `it goes with --task ${others.map((each) => each.name).join(", ")}` : "leave it out";
    throw new VillaError("InvalidArgument", `${flag} means nothing to --task ${task.name}${way}; ${instead}.`);
  }
  if (ofFiles && truth === undefined) {
    throw new VillaError("InvalidArgument", "Give --truth too: the annotations that --detections are judged by.");
  }
  if (!ofFiles && (dataDir === undefined || checkpoint === undefined)) {
    const others = task.name === "detection" ? ", or --truth and --detections" : "";
    throw new VillaError("InvalidArgument", `Give --data-dir (the dataset) and --checkpoint (the model)${others}.`);
  }
}

/** What a terminal shows. */
function describe({
  outcome,
  record,
  written,
}: Awaited<ReturnType<typeof import("../evaluate/run.ts").runEvaluation>>) {
  const { numbers, bootstrap, warnings } = record;
  const shown = (value: number | null) => (value === null ? "" : value === -1 ? "-1" : value.toFixed(4));
  const rows = Object.entries(numbers).map(([name, { value, low, high, chance }]) => [
    name,
    shown(value),
    low === null || high === null ? "" : `${shown(low)} … ${shown(high)}`,
    shown(chance),
  ]);
  const how =
    bootstrap.resamples === 0
      ? "Fractions, without intervals."
      : `Fractions; intervals of ${100 * bootstrap.level} % from ${bootstrap.resamples} samples of the ${bootstrap.over}, seed ${bootstrap.seed}.`;
  return [
    `${record.subject}, on ${record.items.ids.length} images`,
    ...warnings.map((warning) => `Mind: ${warning}`),
    "",
    table([["", "value", "interval", "by chance"], ...rows]),
    "",
    how,
    ...outcome.tables.flatMap((each) => ["", each]),
    ...(written.length > 0 ? ["", ...written] : []),
  ].join("\n");
}

/** A shard's share of the work: embeddings of its images, which the run that merges scores. */
async function embedShard(
  { dataDir, checkpoint, split, weights, regions }: Flags,
  shard: Shard,
  onProgress: ProgressListener,
  signal: AbortSignal,
): Promise<{ embeddedImages: number }> {
  const { openDataset } = await import("@villa/data/node");
  const { openModel, RegionIndex } = await import("@villa/vlm/node");
  const dataset = await openDataset(dataDir!);
  const index = await RegionIndex.open(dataset, checkpoint!, { split, regions, onProgress, signal });
  const model = await openModel(checkpoint!, { weights, regions, onProgress, signal });
  try {
    return { embeddedImages: await index.fill(model.image, { shard, onProgress, signal }) };
  } finally {
    model.dispose();
  }
}

/** A flag's value as sentences separated by bars. */
function lines(text: string): string[] {
  return text.split("|").map((line) => line.trim());
}

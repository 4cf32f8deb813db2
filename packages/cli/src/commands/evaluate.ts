import {
  type CommonFlags,
  chosenShard,
  present,
  type RegisterCommand,
  type ShardFlags,
  table,
  withCommonFlags,
  withShardFlags,
} from "@villa/command-kit";
import type { ProgressListener, Shard } from "@villa/data";
import { onBackend, type RuntimeFlags, withRuntimeFlags } from "./runtime.ts";

interface EvaluateFlags extends CommonFlags, RuntimeFlags, ShardFlags {
  readonly dataDir: string;
  readonly checkpoint: string;
  readonly split: string;
  readonly weights?: string | undefined;
  readonly report?: string | undefined;
}

/** `villa evaluate`: region ↔ text retrieval. */
export const registerEvaluate: RegisterCommand = (program, context) => {
  const command = program
    .command("evaluate")
    .description("region ↔ text retrieval of a checkpoint on a held-out split")
    .requiredOption("--data-dir <folder>", "the dataset")
    .requiredOption("--checkpoint <file>", "of stage2; CLIP weights (zero-shot); or `embeddings`, the dataset's own")
    .option("--split <name>", "which images", "test")
    .option("--weights <file>", "CLIP weights of the text side, when they have moved")
    .option("--report <file>", "write FILE.html: figures, and what was found, in pictures")
    .addHelpText(
      "after",
      `
Examples:
  villa evaluate --data-dir data/docmnist_30000_15.2 --checkpoint checkpoints/docmnist_stage2/best.safetensors
  villa evaluate --data-dir data/docmnist_30000_15.2 --checkpoint embeddings --split val --json`,
    );
  withShardFlags(command, "images");
  withCommonFlags(withRuntimeFlags(command)).action(({ json, verbose, ...flags }: EvaluateFlags) =>
    present(
      context,
      { json, verbose },
      (progress) =>
        onBackend(flags, async () => {
          const { evaluateCheckpoint } = await import("@villa/vlm/node");
          const shard = flags.checkpoint === "embeddings" ? undefined : chosenShard(flags, context.terminal);
          if (shard) return embedShard(flags, shard, progress, context.signal);
          const page = flags.report === undefined ? undefined : await import("../report/evaluation-page.ts");
          const evaluation = await evaluateCheckpoint({
            dataDir: flags.dataDir,
            checkpoint: flags.checkpoint,
            split: flags.split,
            progress,
            signal: context.signal,
            weights: flags.weights,
            indexed: flags.merge,
            examples: page ? page.examplesShown : undefined,
          });
          if (!page) return evaluation;
          const { atomicWriteFile } = await import("@villa/data/node");
          const finished = new Date().toISOString();
          await atomicWriteFile(flags.report!, await page.renderEvaluation(evaluation, { ...flags, finished }));
          return { ...evaluation, report: flags.report! };
        }),
      (result) => {
        if ("embeddedImages" in result) {
          return `${result.embeddedImages} images embedded; when all shards are through, villa merge evaluate with the same flags scores them.`;
        }
        const percent = (value: number) => (value * 100).toFixed(2);
        const ks = result.textToRegion.at.map(({ k }) => k);
        const row = (name: string, quality: typeof result.textToRegion) => [
          name,
          percent(quality.rPrecision),
          ...quality.at.flatMap(({ precision, recall }) => [percent(precision), percent(recall)]),
        ];
        const attributes = result.attributes.map((name, i) => {
          const own = result.perAttribute[i];
          return [name, own?.regions ?? 0, own ? percent(own.rPrecision) : ""];
        });
        const groups = result.perGroup.map(({ group, rPrecision }) => [
          group,
          rPrecision === null ? "" : percent(rPrecision),
        ]);
        return [
          `${result.regions} regions of ${result.images} images, split ${result.split}`,
          "",
          table([
            ["retrieval (%)", "R-Precision", ...ks.flatMap((k) => [`P@${k}`, `R@${k}`])],
            row("text → region", result.textToRegion),
            row("region → text", result.regionToText),
          ]),
          "",
          table([["group", "R-Precision"], ...groups]),
          "",
          table([["attribute", "regions", "R-Precision"], ...attributes]),
          ...("report" in result ? ["", result.report] : []),
        ].join("\n");
      },
    ),
  );
};

/** A shard's share of the work: embeddings of its images, which the run that merges scores. */
async function embedShard(
  { dataDir, checkpoint, split, weights }: EvaluateFlags,
  shard: Shard,
  progress: ProgressListener,
  signal: AbortSignal,
): Promise<{ embeddedImages: number }> {
  const { openDataset } = await import("@villa/data/node");
  const { openModel, RegionIndex } = await import("@villa/vlm/node");
  const index = await RegionIndex.open(await openDataset(dataDir), checkpoint, split);
  const model = await openModel(checkpoint, weights === undefined ? {} : { weights });
  try {
    return { embeddedImages: await index.fill(model.image, { shard, progress, signal }) };
  } finally {
    model.dispose();
  }
}

import {
  type CommonFlags,
  chosenShard,
  counted,
  present,
  type RegisterCommand,
  type ShardFlags,
  seedNumber,
  wholeNumber,
  withCommonFlags,
} from "@villa/command-kit";
import { Option } from "commander";
import { onBackend, type RuntimeFlags, withRuntimeFlags } from "./runtime.ts";

interface WebDatasetFlags extends CommonFlags, RuntimeFlags, ShardFlags {
  readonly dataDir: string;
  readonly out: string;
  readonly split: string;
  readonly pairs: "mapping" | "image" | "oracle";
  readonly samplesPerTar: number;
  readonly seed: number;
  readonly checkpoint?: string | undefined;
  readonly weights?: string | undefined;
}

/** `villa export-webdataset`: tar shards for trainers elsewhere. */
export const registerWebDataset: RegisterCommand = (program, context) => {
  const command = program
    .command("export-webdataset")
    .description("write a split as WebDataset tar shards, e.g. for PyTorch on several machines")
    .requiredOption("--data-dir <folder>", "the dataset")
    .requiredOption("--out <folder>", "where the tars go")
    .option("--split <name>", "which images", "train")
    .addOption(
      new Option("--pairs <mode>", "region-text pairs, as for stage2")
        .choices(["mapping", "image", "oracle"])
        .default("mapping"),
    )
    .option("--samples-per-tar <n>", "images in a tar", wholeNumber, 1000)
    .option("--seed <n>", "seed of the order of the images", seedNumber, 23)
    .option("--checkpoint <file>", "write the embeddings of all sentences by this model's text side too")
    .option("--weights <file>", "CLIP weights of the text side, when they have moved")
    .option("--shard <i/n>", "write only this share of the tars (default: as SLURM or Kubernetes say, else all)")
    .addHelpText(
      "after",
      `
Example:
  villa export-webdataset --data-dir data/products --out tars --checkpoint checkpoints/products/best.safetensors`,
    );
  withCommonFlags(withRuntimeFlags(command)).action((flags: WebDatasetFlags) =>
    present(
      context,
      flags,
      (onProgress) =>
        onBackend({ ...flags, terminal: context.terminal }, async () => {
          const { exportWebDataset } = await import("../export-web-dataset.ts");
          const shard = chosenShard(flags, context.terminal);
          const { shard: _, ...rest } = flags;
          const result = await exportWebDataset({ ...rest, shard, onProgress, signal: context.signal });
          return { ...result, out: flags.out };
        }),
      ({ samples, pairs, tars, out }) =>
        `${counted(samples, "image")} with ${counted(pairs, "pair")} in ${counted(tars, "tar")} in ${out}`,
    ),
  );
};

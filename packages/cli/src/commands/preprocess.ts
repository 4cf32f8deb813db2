import {
  type CommonFlags,
  chosenShard,
  present,
  type RegisterCommand,
  type ShardFlags,
  seedNumber,
  wholeNumber,
  withCommonFlags,
  withShardFlags,
} from "@villa/command-kit";
import { VillaError } from "@villa/data";
import { Option } from "commander";
import { onBackend, type RuntimeFlags, withRuntimeFlags } from "./runtime.ts";

interface PreprocessFlags extends CommonFlags, RuntimeFlags, ShardFlags {
  readonly dataDir: string;
  readonly encoder: "clip-rn50" | "pixels";
  readonly weights?: string | undefined;
  readonly regions: "roi-align" | "crop";
  readonly dimension: number;
  readonly seed: number;
  readonly format: "original" | "safetensors";
  readonly overwrite?: boolean | undefined;
}

/** `villa preprocess`: region and attribute embeddings. */
export const registerPreprocess: RegisterCommand = (program, context) => {
  const command = program
    .command("preprocess")
    .description("embed all regions and attributes of a dataset (resumes where it stopped)")
    .requiredOption("--data-dir <folder>", "the dataset")
    .addOption(
      new Option("--encoder <name>", "CLIP, or a stand-in that needs no weights")
        .choices(["clip-rn50", "pixels"])
        .default("clip-rn50"),
    )
    .option("--weights <file>", "CLIP weights: RN50.pt, a torch state dict or safetensors (default: download RN50.pt)")
    .addOption(
      new Option("--regions <how>", "cut regions from CLIP's feature map or from the image")
        .choices(["roi-align", "crop"])
        .default("roi-align"),
    )
    .option("--dimension <n>", "length of the pixels encoder's vectors", wholeNumber, 1024)
    .option("--seed <n>", "of the pixels encoder", seedNumber, 23)
    .addOption(new Option("--format <name>", "file format").choices(["original", "safetensors"]).default("original"))
    .option("--overwrite", "replace embeddings that are there already")
    .addHelpText(
      "after",
      `
Examples:
  villa preprocess --data-dir data/docmnist_30000_15.2
  villa preprocess --data-dir data/docmnist_30000_15.2 --encoder pixels
  villa preprocess --data-dir data/docmnist_30000_15.2 --weights RN50.pt --shard 0/4`,
    );
  withCommonFlags(withRuntimeFlags(withShardFlags(command, "images"))).action((flags: PreprocessFlags) =>
    present(
      context,
      flags,
      (progress) =>
        onBackend(flags, async (backend) => {
          const { preprocessDataset } = await import("@villa/preprocess");
          const shard = chosenShard(flags, context.terminal);
          const { openDataset } = await import("@villa/data/node");
          await openDataset(flags.dataDir); // a wrong folder is found before the weights are downloaded
          const { encoder, weights } = await makeEncoder(flags, progress, context.signal);
          try {
            const result = await preprocessDataset({
              dataDirectory: flags.dataDir,
              encoder,
              format: flags.format,
              onProgress: progress,
              signal: context.signal,
              weights,
              shard,
              mergeOnly: flags.merge,
              overwrite: flags.overwrite,
            });
            return { ...result, backend: backend.name };
          } finally {
            encoder.dispose();
          }
        }),
      (result) =>
        result.complete
          ? `${result.regions} regions of ${result.images} images and ${result.attributes} attributes, ${result.dimension} dimensions (${result.encoder}, ${result.backend}), ${result.seconds.toFixed(1)} s`
          : `${result.encodedImages} images encoded; when all shards are done, villa merge preprocess with the same flags joins them.`,
    ),
  );
};

async function makeEncoder(
  flags: PreprocessFlags,
  progress: Parameters<Parameters<typeof present>[2]>[0],
  signal: AbortSignal,
) {
  const { clipEncoder, pixelsEncoder } = await import("@villa/encoders");
  if (flags.encoder === "pixels") {
    if (flags.weights) throw new VillaError("InvalidArgument", "The pixels encoder takes no --weights.");
    return { encoder: pixelsEncoder({ dimension: flags.dimension, seed: flags.seed }) };
  }
  const { downloadClipWeights, hashWeights, loadClipFile } = await import("@villa/encoders/node");
  const path = flags.weights ?? (await downloadClipWeights({ progress, signal }));
  const model = await loadClipFile(path, { inference: true });
  return { encoder: clipEncoder(model, { regions: flags.regions }), weights: await hashWeights(path) };
}

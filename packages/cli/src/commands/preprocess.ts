import {
  anyNumber,
  type CommonFlags,
  chosenShard,
  counted,
  present,
  type RegisterCommand,
  type ShardFlags,
  seedNumber,
  wholeNumber,
  withCommonFlags,
  withShardFlags,
} from "@villa/command-kit";
import { isVillaError, VillaError } from "@villa/data";
import type { LoadRequest, RegionOptions } from "@villa/encoders";
import { Option } from "commander";
import { regionsOption, storageOption } from "./encoder-options.ts";
import { onBackend, type RuntimeFlags, withRuntimeFlags } from "./runtime.ts";

interface PreprocessFlags extends CommonFlags, RuntimeFlags, ShardFlags {
  readonly dataDir: string;
  readonly encoder: string;
  readonly textEncoder: string;
  readonly context?: number | undefined;
  readonly imageSize?: number | undefined;
  readonly storage: LoadRequest["storage"];
  readonly weights?: string | undefined;
  readonly regions?: RegionOptions["regions"];
  readonly dimension: number;
  readonly seed: number;
  readonly format: "original" | "safetensors";
  readonly overwrite?: boolean | undefined;
}

const encoderHelp =
  "clip-rn50, pixels (needs no weights), a model's folder (ONNX too), hf:ORG/NAME, a file of weights, or a checkpoint of Stage 2";
const textEncoderHelp = "hashed words, or another model's folder (default: the one that comes with the encoder)";

/** `villa preprocess`: region and attribute embeddings. */
export const registerPreprocess: RegisterCommand = (program, context) => {
  const command = program
    .command("preprocess")
    .description("embed all regions and attributes of a dataset (resumes where it stopped)")
    .requiredOption("--data-dir <folder>", "the dataset")
    .option("--encoder <which>", encoderHelp, "clip-rn50")
    .option("--text-encoder <which>", textEncoderHelp, "auto")
    .option("--weights <file>", "CLIP weights: RN50.pt, a torch state dict or safetensors (default: download RN50.pt)")
    .addOption(regionsOption("how regions are embedded"))
    .option("--context <share>", "share of a crop's side that is added around it", anyNumber)
    .option("--image-size <pixels>", "side to which images are scaled (default: the encoder's own)", wholeNumber)
    .addOption(storageOption())
    .option("--dimension <n>", "length of the pixels encoder's vectors", wholeNumber, 1024)
    .option("--seed <n>", "seed of the pixels encoder and of hashed words", seedNumber, 23)
    .addOption(new Option("--format <name>", "file format").choices(["original", "safetensors"]).default("original"))
    .option("--overwrite", "replace embeddings that are there already")
    .addHelpText(
      "after",
      `
Examples:
  villa preprocess --data-dir data/docmnist_30000_15.2
  villa preprocess --data-dir data/docmnist_30000_15.2 --encoder pixels
  villa preprocess --data-dir data/docmnist_30000_15.2 --weights RN50.pt --shard 0/4
  villa preprocess --data-dir data/products --encoder models/siglip2-base-patch16-224 --regions roi-align`,
    );
  withCommonFlags(withRuntimeFlags(withShardFlags(command, "images"))).action((flags: PreprocessFlags) =>
    present(
      context,
      flags,
      (progress) =>
        onBackend({ ...flags, terminal: context.terminal }, async (backend) => {
          const { preprocessDataset } = await import("@villa/preprocess");
          const shard = chosenShard(flags, context.terminal);
          const { openDataset } = await import("@villa/data/node");
          const { requireEncoder } = await import("@villa/encoders/node");
          requireEncoder(flags.weights ?? flags.encoder);
          await openDataset(flags.dataDir); // a wrong folder is found before the weights are downloaded
          const { encoder, weightsHash, revision } = await makeEncoder(flags, progress, context.signal);
          try {
            const result = await preprocessDataset({
              dataDir: flags.dataDir,
              encoder,
              format: flags.format,
              onProgress: progress,
              signal: context.signal,
              weightsHash,
              revision,
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
          ? `${counted(result.regions, "region")} of ${counted(result.images, "image")} and ${counted(result.attributes, "attribute")}, ${result.dimension} dimensions (${result.encoder}, ${result.backend}), ${result.seconds.toFixed(1)} s`
          : `${result.encodedImages} images encoded; when all shards are done, villa merge preprocess with the same flags joins them.`,
    ),
  );
};

async function makeEncoder(
  flags: PreprocessFlags,
  onProgress: Parameters<Parameters<typeof present>[2]>[0],
  signal: AbortSignal,
) {
  const { joinEncoders } = await import("@villa/encoders");
  const { openEncoder } = await import("@villa/encoders/node");
  if (flags.weights && flags.encoder !== "clip-rn50") {
    throw new VillaError("InvalidArgument", `--weights names CLIP's weights; the ${flags.encoder} encoder takes none.`);
  }
  const { regions, context, imageSize, storage, textEncoder, dimension, seed } = flags;
  const which = flags.weights ?? flags.encoder;
  const options = { regions, context, imageSize, storage, textEncoder, dimension, seed, onProgress, signal };
  const opened = await openEncoder(which, options).catch((cause: unknown): never => {
    if (!isVillaError(cause, "Network")) throw cause;
    throw new VillaError("Network", `${cause.message} With --encoder pixels nothing is downloaded.`, { cause });
  });
  const { image, text, textIdentity, weightsHash, revision } = opened;
  try {
    if (!text) {
      throw new VillaError(
        "Mismatch",
        `${which} holds no text encoder; name one with --text-encoder: hashed, or a model's folder.`,
      );
    }
    return { encoder: joinEncoders(image, text, { textIdentity }), weightsHash, revision };
  } catch (error) {
    image.dispose();
    text?.dispose();
    throw error;
  }
}

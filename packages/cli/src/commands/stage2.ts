import { type CommonFlags, counted, present, type RegisterCommand, table, withCommonFlags } from "@villa/command-kit";
import { Option } from "commander";
import { unusedMasksNote } from "./encoder-options.ts";
import { onBackend, type RuntimeFlags, withRuntimeFlags } from "./runtime.ts";
import { resolveSettings, withSettings } from "./settings.ts";

/** `villa stage2` trains the vision-language model; `villa export` writes it for use elsewhere. */
export const registerStage2: RegisterCommand = (program, context) => {
  const stage2 = withSettings(
    program
      .command("stage2")
      .description("train the vision-language model on region-text pairs (resumes where it stopped)"),
    stage2Settings,
    {
      examples: `Examples:
  villa stage2 experiment=docmnist_stage2 model.weights=RN50.pt
  villa stage2 experiment=docmnist_stage2_small data_dir=data/docmnist_30000_15.2 pairs=image
  villa stage2 experiment=docmnist_stage2_small model.width=16 model.layers=1,1,1,1`,
    },
  );
  withCommonFlags(withRuntimeFlags(stage2)).action((overrides: string[], flags: CommonFlags & RuntimeFlags) =>
    present(
      context,
      flags,
      async (progress) => {
        const config = await resolveSettings(await stage2Settings(), overrides);
        const { runStage2 } = await import("@villa/vlm/node");
        return onBackend({ ...flags, terminal: context.terminal }, () =>
          runStage2(config, { onProgress: progress, signal: context.signal }),
        );
      },
      (result) => {
        const rows = result.history.map(({ epoch, loss, validationLoss, learningRate, improved }) => [
          epoch,
          loss.toFixed(4),
          validationLoss?.toFixed(4) ?? "",
          learningRate.toPrecision(3),
          improved ? "best" : "",
        ]);
        return [
          table([["epoch", "loss", "val loss", "learning rate", ""], ...rows]),
          "",
          `${counted(result.pairs, "pair")} of ${counted(result.images, "image")}${result.skippedImages > 0 ? ` (${result.skippedImages} without any were skipped)` : ""}, ${result.parameters} parameters${result.stoppedEarly ? ", stopped early" : ""}`,
          ...unusedMasksNote(result.unusedMasks, "model.regions=mask"),
          result.bestCheckpoint,
        ].join("\n");
      },
    ),
  );

  const exporting = program
    .command("export")
    .description("write a trained model for use elsewhere: as .onnx, as a torch state dict, or whole as a folder")
    .requiredOption("--checkpoint <file>", "best.safetensors or last.safetensors of stage2")
    .requiredOption("--out <path>", "FILE.onnx, FILE.pth for torch, or a folder for all of it")
    .addOption(
      new Option(
        "--format <name>",
        "layout of a folder: hf is Hugging Face's, for transformers and transformers.js (vision transformers)",
      ).choices(["villa", "hf"]),
    )
    .option("--onnx <list>", "with --format hf: number formats of onnx/, or none", "float32,float16,int8")
    .option("--data-dir <folder>", "for a folder: the dataset whose attributes are embedded")
    .option("--weights <file>", "CLIP weights of the text side, when they have moved")
    .addHelpText(
      "after",
      `
The ONNX file takes and gives, as its own metadata say too:
  images       float32 [batch, 3, height, width]: RGB from 0 to 1, no mean or deviation; any size,
               of a vision transformer scaled to its square
  boxes        float32 [regions, 4]: x0, y0, x1, y1 in pixels of these images
  image_index  int64 [regions]: which image of the batch each box belongs to
  embeddings   float32 [regions, d]: L2-normalised
A folder holds encoder.onnx, the attributes' embeddings (attributes.npy, attributes.json) and a README.md.
With --format hf it holds config.json, model.safetensors, tokenizer and preprocessor_config.json, and onnx/.

Examples:
  villa export --checkpoint checkpoints/docmnist_stage2/best.safetensors --out encoder.onnx
  villa export --checkpoint checkpoints/products/best.safetensors --data-dir data/products --out products-model
  villa export --checkpoint checkpoints/products/best.safetensors --format hf --out products-clip`,
    );
  withCommonFlags(withRuntimeFlags(exporting)).action((flags: ExportFlags) =>
    present(
      context,
      flags,
      (onProgress) =>
        onBackend({ ...flags, terminal: context.terminal }, async () => {
          const { exportAsHuggingFace, exportForUse } = await import("../export-model.ts");
          const { out, format } = flags;
          if (format !== "hf") return { out, files: await exportForUse(flags), leftOut: undefined };
          return { out, ...(await exportAsHuggingFace({ ...flags, onProgress, signal: context.signal })) };
        }),
      ({ files, leftOut }) => [...files, ...(leftOut === undefined ? [] : ["", leftOut])].join("\n"),
    ),
  );
};

interface ExportFlags extends CommonFlags, RuntimeFlags {
  readonly checkpoint: string;
  readonly out: string;
  readonly dataDir?: string | undefined;
  readonly weights?: string | undefined;
  readonly format?: "villa" | "hf" | undefined;
  readonly onnx: string;
}

async function stage2Settings() {
  const { stage2Schema, stage2Experiments } = await import("@villa/vlm");
  return { schema: stage2Schema, experiments: stage2Experiments };
}

import { type CommonFlags, present, type RegisterCommand, table, withCommonFlags } from "@villa/command-kit";
import { onBackend, type RuntimeFlags, withRuntimeFlags } from "./runtime.ts";
import { resolveSettings, withSettings } from "./settings.ts";

/** `villa stage2` trains the vision-language model; `villa export` writes it for use elsewhere. */
export const registerStage2: RegisterCommand = (program, context) => {
  const stage2 = withSettings(
    program
      .command("stage2")
      .description("train the vision-language model on region-text pairs (resumes where it stopped)"),
    stage2Settings,
    `Examples:
  villa stage2 experiment=docmnist_stage2 model.weights=RN50.pt
  villa stage2 experiment=docmnist_stage2_small data_dir=data/docmnist_30000_15.2 pairs=image
  villa stage2 experiment=docmnist_stage2_small model.width=16 model.layers=1,1,1,1`,
  );
  withCommonFlags(withRuntimeFlags(stage2)).action((overrides: string[], flags: CommonFlags & RuntimeFlags) =>
    present(
      context,
      flags,
      async (progress) => {
        const config = await resolveSettings(await stage2Settings(), overrides);
        const { runStage2 } = await import("@villa/vlm/node");
        return onBackend({ ...flags, terminal: context.terminal }, () =>
          runStage2(config, { progress, signal: context.signal }),
        );
      },
      (result) => {
        const rows = result.history.map(({ epoch, loss, validationLoss, learningRate, improved }) => [
          epoch + 1,
          loss.toFixed(4),
          validationLoss?.toFixed(4) ?? "",
          learningRate.toPrecision(3),
          improved ? "best" : "",
        ]);
        return [
          table([["epoch", "loss", "val loss", "learning rate", ""], ...rows]),
          "",
          `${result.pairs} pairs of ${result.images} images${result.skippedImages > 0 ? ` (${result.skippedImages} without any were skipped)` : ""}, ${result.parameters} parameters${result.stoppedEarly ? ", stopped early" : ""}`,
          result.bestCheckpoint,
        ].join("\n");
      },
    ),
  );

  const exporting = program
    .command("export")
    .description("write a trained image encoder as .onnx or as a torch state dict")
    .requiredOption("--checkpoint <file>", "best.safetensors or last.safetensors of stage2")
    .requiredOption("--out <file>", "FILE.onnx, or FILE.pth for torch")
    .addHelpText(
      "after",
      "\nExample:\n  villa export --checkpoint checkpoints/docmnist_stage2/best.safetensors --out encoder.onnx",
    );
  withCommonFlags(withRuntimeFlags(exporting)).action(
    (flags: CommonFlags & RuntimeFlags & { checkpoint: string; out: string }) =>
      present(
        context,
        flags,
        () =>
          onBackend({ ...flags, terminal: context.terminal }, async () => {
            const { exportModel } = await import("@villa/vlm/node");
            await exportModel(flags.checkpoint, flags.out);
            return { out: flags.out };
          }),
        ({ out }) => out,
      ),
  );
};

async function stage2Settings() {
  const { stage2Schema, stage2Experiments } = await import("@villa/vlm");
  return { schema: stage2Schema, experiments: stage2Experiments };
}

import { table } from "../terminal.ts";
import { type CommonFlags, present, type RegisterCommand, withCommonFlags } from "./context.ts";
import { readExperiment, settingsPage } from "./experiment-file.ts";
import { onBackend, type RuntimeFlags, withRuntimeFlags } from "./runtime.ts";

/** `villa stage2` trains the vision-language model; `villa export` writes it for use elsewhere. */
export const registerStage2: RegisterCommand = (program, context) => {
  const stage2 = program
    .command("stage2")
    .description("train the vision-language model on region-text pairs (resumes where it stopped)")
    .argument("[overrides...]", "experiment=NAME|FILE.yaml and key=value settings")
    .addHelpText(
      "after",
      `
Examples:
  villa stage2 experiment=docmnist_stage2 model.weights=RN50.pt
  villa stage2 experiment=docmnist_stage2_small data_dir=data/docmnist_30000_15.2 pairs=image
  villa stage2 experiment=docmnist_stage2_small model.width=16 model.layers=1,1,1,1

All settings with their defaults: ${settingsPage}`,
    );
  withCommonFlags(withRuntimeFlags(stage2)).action((overrides: string[], flags: CommonFlags & RuntimeFlags) =>
    present(
      context,
      flags,
      async (progress) => {
        const { resolveConfig } = await import("@villa/core");
        const { stage2Defaults, stage2Experiments, stage2Schema } = await import("@villa/vlm");
        const { runStage2 } = await import("@villa/vlm/node");
        const config = resolveConfig({
          schema: stage2Schema,
          defaults: stage2Defaults,
          experiments: stage2Experiments,
          overrides,
          readFile: readExperiment,
        });
        return onBackend(flags, () => runStage2(config, { progress, signal: context.signal }));
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
          onBackend(flags, async () => {
            const { exportModel } = await import("@villa/vlm/node");
            await exportModel(flags.checkpoint, flags.out);
            return { out: flags.out };
          }),
        ({ out }) => out,
      ),
  );
};

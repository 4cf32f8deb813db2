import {
  type CommonFlags,
  duration,
  percent,
  present,
  type RegisterCommand,
  seedNumber,
  withCommonFlags,
} from "@villa/command-kit";
import { isVillaError, VillaError } from "@villa/data";
import { onBackend, type RuntimeFlags, withRuntimeFlags } from "./runtime.ts";

interface QuickstartFlags extends CommonFlags, RuntimeFlags {
  readonly out: string;
  readonly digits: string;
  readonly seed: number;
}

/** `villa quickstart`: the whole pipeline, small and offline, ending in a report. */
export const registerQuickstart: RegisterCommand = (program, context) => {
  const command = program
    .command("quickstart")
    .description("run the whole pipeline, small and offline, and write an HTML report of it")
    .option("--out <folder>", "where everything goes; replaced when an earlier quickstart made it", "villa-quickstart")
    .option("--digits <source>", "glyphs, mnist (from the cache), a folder with MNIST's files, or auto", "auto")
    .option("--seed <n>", "seed of everything random", seedNumber, 23)
    .addHelpText(
      "after",
      `
Examples:
  villa quickstart
  villa quickstart --digits path/to/mnist --out try-mnist --seed 7`,
    );
  withCommonFlags(withRuntimeFlags(command)).action((flags: QuickstartFlags) =>
    present(
      context,
      flags,
      (onProgress, heading) =>
        onBackend({ ...flags, terminal: context.terminal }, async (backend) => {
          const { runQuickstart } = await import("../quickstart/run.ts");
          const { out, digits, seed, threads } = flags;
          const running = { onProgress, onStep: heading, signal: context.signal };
          return runQuickstart({ out, digits, seed, threads, ...running }, backend).catch((error: unknown) => {
            if (!isVillaError(error, "Aborted")) throw error;
            throw new VillaError("Aborted", "Stopped. The next quickstart starts from the beginning.", {
              cause: error,
            });
          });
        }),
      ({ report, seconds, stage1, models }) => {
        const test = stage1.splits.find(({ split }) => split === "test")?.report;
        const [mapped = 0, image = 0] = models.map(({ evaluation }) => evaluation.textToRegion.rPrecision);
        return [
          `Mapping: F1 ${percent(test?.f1 ?? 0)} % on held-out images.`,
          `Text → region retrieval, R-Precision: ${percent(mapped)} % with mapped regions, ${percent(image)} % with whole images.`,
          `Done in ${duration(seconds)}. The report: ${report}`,
        ].join("\n");
      },
    ),
  );
};

import {
  type CommonFlags,
  present,
  type RegisterCommand,
  table,
  wholeNumber,
  wholeNumbers,
  withCommonFlags,
} from "@villa/command-kit";
import type { RuntimeFlags } from "./runtime.ts";

interface ComplexityFlags extends CommonFlags, RuntimeFlags {
  readonly out: string;
  readonly digits: string;
  readonly jobs?: number | undefined;
  readonly seeds?: number[] | undefined;
  readonly complexities?: number[] | undefined;
  readonly budget?: number | undefined;
  readonly steps?: number | undefined;
  readonly pairsPerStep?: number | undefined;
}

/** `villa experiment complexity`: the paper's figure on DocMNIST. */
export const registerExperiment: RegisterCommand = (program, context) => {
  const experiment = program.command("experiment").description("reproduce an experiment of the paper");
  const complexity = experiment
    .command("complexity")
    .description(
      "retrieval against sample complexity: whole images, mapped regions, true regions (resumes where it stopped)",
    )
    .option("--out <folder>", "where results and the figure go", "complexity")
    .option("--digits <source>", "glyphs, or a folder with MNIST's files", "glyphs")
    .option("--complexities <list>", "target sample complexities (default: 6,12,18,24,33)", wholeNumbers)
    .option("--seeds <list>", "one dataset and one set of starting weights each (default: 23,24,25)", wholeNumbers)
    .option("--budget <n>", "attributes of each training split (default: 30000)", wholeNumber)
    .option("--steps <n>", "training steps of each model (default: 600)", wholeNumber)
    .option("--pairs-per-step <n>", "region-text pairs of a step, in every mode (default: 64)", wholeNumber)
    .option("--jobs <n>", "datasets worked on side by side (default: every core)", wholeNumber)
    .option("--backend <name>", "native, wasm or cpu (default: the fastest)")
    .addHelpText(
      "after",
      `
Examples:
  villa experiment complexity --digits path/to/mnist
  villa experiment complexity --complexities 5,16,29 --seeds 1,2 --steps 400 --out quick`,
    );
  withCommonFlags(complexity).action((flags: ComplexityFlags) =>
    present(
      context,
      flags,
      async (progress) => {
        const { complexityProtocol: standard } = await import("../experiment/protocol.ts");
        const { runComplexity } = await import("../experiment/run.ts");
        const { out, digits, jobs, backend } = flags;
        const protocol = {
          ...standard,
          complexities: flags.complexities ?? standard.complexities,
          seeds: flags.seeds ?? standard.seeds,
          attributeBudget: flags.budget ?? standard.attributeBudget,
          stage2: {
            ...standard.stage2,
            steps: flags.steps ?? standard.stage2.steps,
            stepsPerEpoch: Math.min(standard.stage2.stepsPerEpoch, flags.steps ?? standard.stage2.steps),
            pairsPerStep: flags.pairsPerStep ?? standard.stage2.pairsPerStep,
          },
        };
        return runComplexity({ out, digits, protocol, jobs, backend, onProgress: progress, signal: context.signal });
      },
      ({ summary, figure, json }) => {
        const percent = ({ mean, deviation }: { mean: number; deviation: number }) =>
          `${(100 * mean).toFixed(1)} ± ${(100 * deviation).toFixed(1)}`;
        const rows = summary.map(({ averageComplexity, images, mappingF1, modes }) => [
          averageComplexity.toFixed(1),
          images,
          mappingF1.mean.toFixed(1),
          ...modes.map(({ textToRegion }) => percent(textToRegion)),
          ...modes.map(({ regionToText }) => percent(regionToText)),
        ]);
        const names = ["image", "mapping", "oracle"];
        return [
          "R-Precision in %, text → region (T) and region → text (R), mean ± standard deviation over seeds:",
          table([
            [
              "complexity",
              "images",
              "mapping F1",
              ...names.map((name) => `T ${name}`),
              ...names.map((name) => `R ${name}`),
            ],
            ...rows,
          ]),
          "",
          figure,
          json,
        ].join("\n");
      },
    ),
  );
};

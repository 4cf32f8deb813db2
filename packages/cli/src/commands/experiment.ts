import {
  type CommandContext,
  type CommonFlags,
  percent,
  present,
  type RegisterCommand,
  table,
  wholeNumber,
  wholeNumbers,
  withCommonFlags,
} from "@villa/command-kit";
import { isVillaError, VillaError } from "@villa/data";
import type { Command } from "commander";
import { complexityExperiment, detectionExperiment, type Experiment, pairModes } from "../experiment/protocol.ts";
import type { RuntimeFlags } from "./runtime.ts";

interface ExperimentFlags extends CommonFlags, RuntimeFlags {
  readonly out: string;
  readonly digits: string;
  readonly jobs?: number | undefined;
  readonly seeds?: number[] | undefined;
  readonly complexities?: number[] | undefined;
  readonly budget?: number | undefined;
  readonly testBudget?: number | undefined;
  readonly steps?: number | undefined;
  readonly pairsPerStep?: number | undefined;
}

/** `villa experiment complexity` and `villa experiment detection`: the paper's comparison on DocMNIST. */
export const registerExperiment: RegisterCommand = (program, context) => {
  const group = program.command("experiment").description("reproduce an experiment of the paper");
  add(group, context, {
    experiment: complexityExperiment,
    description: "retrieval against sample complexity",
  });
  add(group, context, {
    experiment: detectionExperiment,
    description: "detection of digits against sample complexity, in AP50",
  });
};

function add(
  group: Command,
  context: CommandContext,
  { experiment, description }: { readonly experiment: Experiment; readonly description: string },
): void {
  const { name, unit, measures, protocol: standard } = experiment;
  const command = group
    .command(name)
    .description(`${description}: whole images, mapped regions, true regions (resumes where it stopped)`)
    .option("--out <folder>", "where results and the figure go", name)
    .option("--digits <source>", "glyphs, or a folder with MNIST's files", "glyphs")
    .option("--complexities <list>", "target sample complexities (default: 6,12,18,24,33)", wholeNumbers)
    .option("--seeds <list>", "one dataset and one set of starting weights each (default: 23,24,25)", wholeNumbers)
    .option("--budget <n>", "attributes of each training split (default: 30000)", wholeNumber)
    .option("--test-budget <n>", "attributes of the common test split (default: 8000)", wholeNumber)
    .option("--steps <n>", "training steps of each model (default: 600)", wholeNumber)
    .option("--pairs-per-step <n>", "region-text pairs of a step, in every mode (default: 64)", wholeNumber)
    .option("--jobs <n>", "datasets worked on side by side (default: every core)", wholeNumber)
    .option("--backend <name>", "native, wasm or cpu (default: the fastest)")
    .addHelpText(
      "after",
      `
Examples:
  villa experiment ${name} --digits path/to/mnist
  villa experiment ${name} --complexities 5,16,29 --seeds 1,2 --steps 400 --out quick`,
    );
  withCommonFlags(command).action((flags: ExperimentFlags) =>
    present(
      context,
      flags,
      async (progress) => {
        const { runExperiment } = await import("../experiment/run.ts");
        const { out, digits, jobs, backend } = flags;
        const protocol = {
          ...standard,
          complexities: flags.complexities ?? standard.complexities,
          seeds: flags.seeds ?? standard.seeds,
          attributeBudget: flags.budget ?? standard.attributeBudget,
          test: { ...standard.test, attributeBudget: flags.testBudget ?? standard.test.attributeBudget },
          stage2: {
            ...standard.stage2,
            steps: flags.steps ?? standard.stage2.steps,
            stepsPerEpoch: Math.min(standard.stage2.stepsPerEpoch, flags.steps ?? standard.stage2.steps),
            pairsPerStep: flags.pairsPerStep ?? standard.stage2.pairsPerStep,
          },
        };
        const options = { out, digits, protocol, jobs, backend, onProgress: progress, signal: context.signal };
        return runExperiment(experiment, options).catch((error: unknown) => {
          if (!isVillaError(error, "Aborted")) throw error;
          const sentence = "The experiment was stopped; the same command goes on with the datasets that are left.";
          throw new VillaError("Aborted", sentence, { cause: error });
        });
      },
      ({ summary, figure, json }) => {
        const spread = ({ mean, deviation }: { mean: number; deviation: number }) =>
          `${percent(mean)} ± ${percent(deviation)}`;
        const columns = measures.flatMap(({ key, letter }) => pairModes.map((pairs) => ({ key, letter, pairs })));
        const rows = summary.map(({ averageComplexity, images, mappingF1, modes }) => [
          averageComplexity.toFixed(1),
          images,
          percent(mappingF1.mean),
          ...columns.map(({ key, pairs }) => spread(modes.find((mode) => mode.pairs === pairs)!.numbers[key]!)),
        ]);
        const legend = measures.map(({ title, letter }) => `${title} (${letter})`).join(" and ");
        return [
          `${unit} in %, ${legend}, mean ± standard deviation over seeds:`,
          table([
            ["complexity", "images", "mapping F1", ...columns.map(({ letter, pairs }) => `${letter} ${pairs}`)],
            ...rows,
          ]),
          "",
          figure,
          json,
        ].join("\n");
      },
    ),
  );
}

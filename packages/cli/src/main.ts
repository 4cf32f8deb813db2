import { checkCall, type ExitCode, runProgram, type Terminal } from "@villa/command-kit";
import { Command } from "commander";
import packageJson from "../package.json" with { type: "json" };
import { commands } from "./commands/index.ts";

/**
 * The `villa` command.
 *
 * @param argv arguments after the program's name
 * @returns the exit code: 0 done, 1 failed, 2 called wrongly, 130 stopped by Ctrl-C
 * @throws VillaError `InvalidArgument` for arguments that are not texts; no other error
 */
export async function runVilla(argv: readonly string[], terminal?: Terminal): Promise<ExitCode> {
  checkCall(argv, terminal);

  const program = new Command("villa")
    .description("ViLLA: fine-grained vision-language representation learning from complex image-text data.")
    .version(packageJson.version)
    .addHelpText("after", examples);
  return runProgram(program, argv.length === 0 ? ["--help"] : argv, { commands, terminal });
}

const examples = `
Examples:
  villa quickstart                  everything, small and offline, ending in a report
  villa docmnist generate --attribute-budget 30000 --target-sample-complexity 16 --digits glyphs
  villa preprocess --data-dir data/docmnist_30000_15.2 --encoder pixels
  villa stage1 experiment=docmnist_stage1
  villa stage2 experiment=docmnist_stage2_small
  villa evaluate --data-dir data/docmnist_30000_15.2 --checkpoint checkpoints/docmnist_stage2_small/best.safetensors --split val

Every command has --help. The guide: https://github.com/villa-ts/villa/blob/main/docs/guide.md`;

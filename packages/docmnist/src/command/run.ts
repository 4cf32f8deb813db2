import {
  checkCall,
  type ExitCode,
  impliedCommand,
  type RegisterCommand,
  runProgram,
  type Terminal,
} from "@villa/command-kit";
import { checkArgument } from "@villa/data";
import { Command } from "commander";
import { registerGenerate, usualCall } from "./generate.ts";
import { registerDigest, registerVisualize } from "./inspect.ts";

export { registerVisualize } from "./inspect.ts";

const commands: readonly RegisterCommand[] = [registerGenerate, registerDigest, registerVisualize];

/** Adds `docmnist` with its commands to a program, such as `villa`. */
export const registerDocmnist: RegisterCommand = (program, context) => {
  checkArgument("program", program, { command: "function" });
  checkArgument("context", context, "object");
  const docmnist = program
    .command("docmnist")
    .description("generate a DocMNIST dataset, or look at one (flags alone mean generate)");
  impliedCommand(docmnist, "generate");
  for (const register of commands) register(docmnist, context);
};

/**
 * The `docmnist` command.
 *
 * @param argv arguments after the command's name; flags alone are those of `generate`
 * @returns exit code: 0 done, 1 failed, 2 called wrongly, 130 stopped by Ctrl-C
 * @throws VillaError `InvalidArgument` for arguments that are not texts; no other error
 */
export async function runDocmnist(argv: readonly string[], terminal?: Terminal): Promise<ExitCode> {
  checkCall(argv, terminal);

  const program = new Command("docmnist").description(
    "DocMNIST: image-text data with controlled complexity, generated bit for bit. Flags alone mean generate.",
  );
  program.addHelpText("after", `\nExample:\n  docmnist ${usualCall}`);
  impliedCommand(program, "generate");
  return runProgram(program, argv, { commands, terminal });
}

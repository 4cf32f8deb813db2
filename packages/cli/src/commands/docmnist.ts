import type { CommandContext, RegisterCommand } from "./context.ts";

/** `villa docmnist …` and `villa visualize …` are the `docmnist` command: same flags, same output, one implementation. */
export const registerDocmnist: RegisterCommand = (program, context) => {
  program
    .command("docmnist")
    .description("generate a DocMNIST dataset, or print a dataset's digest")
    .helpOption(false)
    .allowUnknownOption()
    .allowExcessArguments()
    .argument("[arguments...]", "generate | digest, and their flags")
    .action((args: string[]) => delegate(context, args));
  program
    .command("visualize")
    .description("draw images of a dataset with their regions, text and mapping")
    .helpOption(false)
    .allowUnknownOption()
    .allowExcessArguments()
    .argument("[arguments...]", "a dataset folder and flags")
    .action((args: string[]) => delegate(context, ["visualize", ...args]));
};

async function delegate({ setExitCode, signal }: CommandContext, args: readonly string[]): Promise<void> {
  const { runDocmnist } = await import("@villa/docmnist/node");
  setExitCode(await runDocmnist(args, { signal, name: "villa docmnist" }));
}

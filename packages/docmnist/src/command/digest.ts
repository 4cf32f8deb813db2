import { Command } from "commander";
import { digestDataset } from "../node/digest.ts";
import { examples } from "./help.ts";
import type { CommandIo } from "./io.ts";

/** `docmnist digest`: prints what identifies a dataset. */
export function digestCommand(io: CommandIo, signal: AbortSignal): Command {
  return new Command("digest")
    .description("Print a dataset's fingerprint as JSON: counts and SHA-256 of pixels, boxes, labels and sentences.")
    .argument("<folder>", "dataset folder, ours or the reference implementation's")
    .option("--json", "print the JSON as one line")
    .option("--verbose", "show where an error arose")
    .addHelpText("after", examples("digest data/docmnist_30000_15.2"))
    .action(async (folder: string, { json }: { json?: boolean | undefined }) => {
      io.out(`${JSON.stringify(await digestDataset(folder, { signal }), null, json ? 0 : 2)}\n`);
    });
}

import type { RegisterCommand } from "@villa/command-kit";
import { Argument } from "commander";

/** Commands whose shards can be merged. */
const mergeable = ["ingest", "preprocess", "stage1", "evaluate"] as const;

/** `villa merge <command> …` is `villa <command> … --merge`: the same flags as the shards had. */
export const registerMerge: RegisterCommand = (program) => {
  program
    .command("merge")
    .description("join what shards of a command have done; names those that are missing")
    .addArgument(new Argument("<command>", "the command that was split").choices([...mergeable]))
    .argument("[arguments...]", "its flags and settings, as the shards had them")
    .allowUnknownOption()
    .addHelpText(
      "after",
      `
Examples:
  villa merge ingest --images photos --table products.csv --attributes attributes.json --out data/products
  villa merge preprocess --data-dir data/products
  villa merge stage1 data_dir=data/products
  villa merge evaluate --data-dir data/products --checkpoint checkpoints/products/best.safetensors`,
    )
    .action(async (command: string, args: string[]) => {
      await program.parseAsync([command, ...args, "--merge"], { from: "user" });
    });
};

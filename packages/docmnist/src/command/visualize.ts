import { Command } from "commander";
import { visualizeDataset } from "../node/visualize.ts";
import { examples } from "./help.ts";
import type { CommandIo } from "./io.ts";
import { list, wholeNumber } from "./parse.ts";

interface VisualizeFlags {
  readonly imageId?: readonly number[] | undefined;
  readonly count: number;
  readonly mapping?: string | undefined;
  readonly scale: number;
  readonly out: string;
  readonly json?: true | undefined;
}

/** `docmnist visualize`: draws images of a dataset. */
export function visualizeCommand(io: CommandIo): Command {
  return new Command("visualize")
    .description("Draw images with their regions and text, and what a mapping assigned, as PNG or HTML.")
    .argument("<folder>", "dataset folder")
    .requiredOption("--out <file>", "PNG or HTML file to write")
    .option("--image-id <list>", "images to draw: 7 or 3,5,8", (text) => list(text).map(wholeNumber("--image-id")))
    .option("--count <n>", "how many images when none is named", wholeNumber("--count"), 9)
    .option("--mapping <file>", "mapping_*.feather whose assignments are drawn")
    .option("--scale <n>", "screen pixels per image pixel", wholeNumber("--scale"), 4)
    .option("--json", "print the result as JSON")
    .option("--verbose", "show where an error arose")
    .addHelpText("after", examples("visualize data/docmnist_30000_15.2 --image-id 0,1,2 --out samples.png"))
    .action(async (directory: string, { imageId, count, mapping, scale, out, json }: VisualizeFlags) => {
      const imageIds = await visualizeDataset({ directory, imageIds: imageId, count, mapping, scale, out });
      if (json) io.out(`${JSON.stringify({ out, imageIds })}\n`);
      else io.out(`${out}: ${imageIds.length === 1 ? `image ${imageIds[0]}` : `${imageIds.length} images`}\n`);
    });
}

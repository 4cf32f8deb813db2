import {
  type CommonFlags,
  exampleCalls,
  present,
  type RegisterCommand,
  wholeNumber,
  withCommonFlags,
  wordList,
} from "@villa/command-kit";
import { checkArgument } from "@villa/data";
import { InvalidArgumentError } from "commander";
import { digestDataset } from "../node/digest.ts";
import { visualizeDataset } from "../node/visualize.ts";

/** `docmnist digest`: prints what identifies a dataset. */
export const registerDigest: RegisterCommand = (program, context) => {
  const command = program
    .command("digest")
    .description("print a dataset's fingerprint as JSON: counts, and SHA-256 of pixels, boxes, labels and sentences")
    .argument("<folder>", "dataset folder, ours or the reference implementation's")
    .addHelpText("after", exampleCalls("digest data/docmnist_30000_15.2"));
  withCommonFlags(command).action((folder: string, flags: CommonFlags) =>
    present(
      context,
      flags,
      () => digestDataset(folder, { signal: context.signal }),
      (digest) => JSON.stringify(digest, null, 2),
    ),
  );
};

interface VisualizeFlags extends CommonFlags {
  readonly imageId?: readonly number[] | undefined;
  readonly count: number;
  readonly mapping?: string | undefined;
  readonly scale?: number | undefined;
  readonly out: string;
}

/** `docmnist visualize`: draws images of a dataset. */
export const registerVisualize: RegisterCommand = (program, context) => {
  checkArgument("program", program, { command: "function" });
  checkArgument("context", context, "object");
  const command = program
    .command("visualize")
    .description("draw images of a dataset with their regions and text, and what a mapping assigned")
    .argument("<folder>", "dataset folder")
    .requiredOption("--out <file>", "FILE.png or FILE.html")
    .option("--image-id <list>", "images to draw: 7 or 3,5,8", imageIds)
    .option("--count <n>", "how many images when none is named", wholeNumber, 9)
    .option("--mapping <file>", "mapping_*.feather whose assignments are drawn")
    .option("--scale <n>", "screen pixels per image pixel, of a PNG (default: an image is about 480 wide)", wholeNumber)
    .addHelpText("after", exampleCalls("visualize data/docmnist_30000_15.2 --image-id 0,1,2 --out samples.png"));
  withCommonFlags(command).action((dataDir: string, flags: VisualizeFlags) =>
    present(
      context,
      flags,
      async () => {
        const { imageId, count, mapping, scale, out } = flags;
        const drawn = await visualizeDataset({ dataDir, imageIds: imageId, count, mapping, scale, out });
        return { out, imageIds: drawn };
      },
      ({ out, imageIds: drawn }) => `${out}: ${drawn.length === 1 ? `image ${drawn[0]}` : `${drawn.length} images`}`,
    ),
  );
};

function imageIds(text: string): number[] {
  return wordList(text).map((word) => {
    if (!/^-?\d+$/.test(word)) throw new InvalidArgumentError("Give image numbers, such as 7 or 3,5,8.");
    return Number(word);
  });
}

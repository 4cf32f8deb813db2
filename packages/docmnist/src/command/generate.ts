import { isVillaError, VillaError } from "@villa/data";
import { readFileBytes } from "@villa/data/node";
import { Command } from "commander";
import { type DocMnistAttributes, docMnistAttributes } from "../attributes.ts";
import { type AttributeChoice, chooseAttributes } from "../choose-attributes.ts";
import { checkSettings } from "../generate.ts";
import { glyphSource } from "../glyphs.ts";
import { downloadMnist, loadMnist, type MnistDigits } from "../node/mnist.ts";
import { writeDataset } from "../node/write-dataset.ts";
import { examples } from "./help.ts";
import { type CommandIo, progressDisplay } from "./io.ts";
import { colorList, list, wholeNumber } from "./parse.ts";

interface GenerateFlags {
  readonly attributeBudget: number;
  readonly targetSampleComplexity: number;
  readonly valAttributeBudget: number;
  readonly testAttributeBudget?: number | undefined;
  readonly seed: number;
  readonly digits: string;
  readonly mirror?: readonly string[] | undefined;
  readonly out: string;
  readonly overwrite?: true | undefined;
  readonly gridSize: number;
  readonly classes?: readonly string[] | undefined;
  readonly colors?: NonNullable<AttributeChoice["colors"]> | undefined;
  readonly shapes?: readonly string[] | undefined;
  readonly sizes?: readonly string[] | undefined;
  readonly attributes?: string | undefined;
  readonly json?: true | undefined;
}

const calls = [
  "generate --attribute-budget 30000 --target-sample-complexity 16",
  "generate --attribute-budget 30000 --target-sample-complexity 16 --digits glyphs --test-attribute-budget 10000",
  "generate --attribute-budget 5000 --target-sample-complexity 8 --digits path/to/mnist \\\n" +
    "    --classes 0,1,2 --colors red,orange=#ff8800 --shapes circle,triangle,cross,none --grid-size 4",
];

/** Number of glyph digits drawn for the test pool. */
const testGlyphs = 1000;

/** `docmnist generate`: writes a dataset folder. */
export function generateCommand(io: CommandIo, signal: AbortSignal): Command {
  return new Command("generate")
    .description("Generate a DocMNIST dataset: images, annotations.feather and attributes.json.")
    .requiredOption("--attribute-budget <n>", "attributes of the train split", wholeNumber("--attribute-budget"))
    .requiredOption(
      "--target-sample-complexity <n>",
      "attributes per image at most, 4 or more",
      wholeNumber("--target-sample-complexity"),
    )
    .option("--val-attribute-budget <n>", "attributes of the val split", wholeNumber("--val-attribute-budget"), 10_000)
    .option("--test-attribute-budget <n>", "attributes of a test split", wholeNumber("--test-attribute-budget"))
    .option("--seed <n>", "equal seeds give equal datasets", wholeNumber("--seed"), 23)
    .option(
      "--digits <source>",
      "mnist (downloaded once), glyphs (drawn, no download) or a folder of IDX files",
      "mnist",
    )
    .option("--mirror <url...>", "download MNIST from here")
    .option("--out <folder>", "where to make the dataset's folder", "data")
    .option("--overwrite", "replace a dataset of the same name")
    .option("--grid-size <n>", "cells per row and column", wholeNumber("--grid-size"), 3)
    .option("--classes <list>", "digits to use: 0,1,2 or zero,one,two", list)
    .option("--colors <list>", "colours to use: red,blue or name=#rrggbb", colorList)
    .option("--shapes <list>", "of circle,rectangle,triangle,cross,none", list)
    .option("--sizes <list>", "of small,medium,large", list)
    .option("--attributes <file>", "JSON file with digits, colors, shapes, sizes, templates, probabilities")
    .option("--json", "print the result as JSON")
    .option("--verbose", "show where an error arose")
    .addHelpText("after", examples(...calls))
    .action((flags: GenerateFlags) => generate(flags, io, signal));
}

async function generate(flags: GenerateFlags, io: CommandIo, signal: AbortSignal): Promise<void> {
  const started = performance.now();
  const attributes = await readAttributes(flags);
  const display = progressDisplay(io);
  const { attributeBudget, targetSampleComplexity, valAttributeBudget, testAttributeBudget, seed, gridSize } = flags;
  const budgets = { attributeBudget, targetSampleComplexity, valAttributeBudget, testAttributeBudget };
  const settings = { ...budgets, attributes, seed, gridSize, progress: display.listener, signal };
  checkSettings(settings);
  try {
    const digits = await loadDigits(flags, attributes, display.listener, signal);
    if (digits.note) io.err(`${digits.note}\n`);
    const { directory, splits } = await writeDataset({
      ...settings,
      digits,
      out: flags.out,
      overwrite: flags.overwrite,
    });
    display.stop();
    const seconds = (performance.now() - started) / 1000;
    if (flags.json) io.out(`${JSON.stringify({ directory, splits, seconds: Number(seconds.toFixed(3)) })}\n`);
    else {
      const parts = Object.entries(splits).map(
        ([split, { images, averageSampleComplexity }]) =>
          `${images} ${split} images (${averageSampleComplexity.toFixed(1)} attributes on average)`,
      );
      io.out(`${directory}: ${parts.join(", ")}\n`);
    }
  } finally {
    display.stop();
  }
}

async function readAttributes(flags: GenerateFlags): Promise<DocMnistAttributes> {
  const { classes: digits, colors, shapes, sizes } = flags;
  const given = Object.entries({ digits, colors, shapes, sizes }).filter(([, value]) => value !== undefined);
  if (!flags.attributes && given.length === 0) return docMnistAttributes;
  const fromFile = flags.attributes ? await readAttributeFile(flags.attributes) : {};
  return chooseAttributes({ ...fromFile, ...Object.fromEntries(given) });
}

async function readAttributeFile(path: string): Promise<AttributeChoice> {
  const text = new TextDecoder().decode(await readFileBytes(path));
  try {
    const choice = JSON.parse(text) as AttributeChoice;
    chooseAttributes(choice);
    return choice;
  } catch (cause) {
    if (isVillaError(cause)) throw new VillaError(cause.code, `${path}: ${cause.message}`, { cause });
    throw new VillaError("InvalidFile", `${path} is not valid JSON.`, { cause });
  }
}

async function loadDigits(
  flags: GenerateFlags,
  attributes: DocMnistAttributes,
  progress: ReturnType<typeof progressDisplay>["listener"],
  signal: AbortSignal,
): Promise<MnistDigits> {
  if (flags.digits === "glyphs") {
    const labels = attributes.digits.map((digit) => digit.label);
    return glyphSource(flags.seed, { labels, test: flags.testAttributeBudget ? testGlyphs : 0 });
  }
  if (flags.digits !== "mnist") return loadMnist(flags.digits);
  return loadMnist(await downloadMnist({ mirrors: flags.mirror, progress, signal }));
}

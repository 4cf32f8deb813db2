import {
  type CommandContext,
  type CommonFlags,
  counted,
  exampleCalls,
  present,
  type RegisterCommand,
  seedNumber,
  wholeNumber,
  withCommonFlags,
  wordList,
} from "@villa/command-kit";
import { isVillaError, type ProgressListener, parseJson, VillaError } from "@villa/data";
import { readFileBytes } from "@villa/data/node";
import { InvalidArgumentError } from "commander";
import { type DocMnistAttributes, docMnistAttributes } from "../attributes.ts";
import { type AttributeChoice, chooseAttributes } from "../choose-attributes.ts";
import { checkSettings } from "../generate.ts";
import { glyphSource } from "../glyphs.ts";
import { downloadMnist, loadMnist, type MnistDigits } from "../node/mnist.ts";
import { type WrittenDataset, writeDataset } from "../node/write-dataset.ts";

interface GenerateFlags extends CommonFlags {
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
}

/** The paper's dataset. */
export const usualCall = "generate --attribute-budget 30000 --target-sample-complexity 16";

const calls = [
  usualCall,
  "generate --attribute-budget 30000 --target-sample-complexity 16 --digits glyphs --test-attribute-budget 10000",
  "generate --attribute-budget 5000 --target-sample-complexity 8 --digits path/to/mnist \\\n" +
    "    --classes 0,1,2 --colors red,orange=#ff8800 --shapes circle,triangle,cross,none --grid-size 4",
];

/** Number of glyph digits drawn for the test pool. */
const testGlyphs = 1000;

/** `docmnist generate`: writes a dataset folder. */
export const registerGenerate: RegisterCommand = (program, context) => {
  const command = program
    .command("generate")
    .description("generate a dataset: images, annotations.feather and attributes.json")
    .requiredOption("--attribute-budget <n>", "attributes of the train split", wholeNumber)
    .requiredOption("--target-sample-complexity <n>", "attributes of an image, at most; 4 or more", wholeNumber)
    .option("--val-attribute-budget <n>", "attributes of the val split", seedNumber, 10_000)
    .option("--test-attribute-budget <n>", "attributes of a test split", seedNumber)
    .option("--seed <n>", "equal seeds give equal datasets", seedNumber, 23)
    .option(
      "--digits <source>",
      "mnist (downloaded once), glyphs (drawn, no download) or a folder of IDX files",
      "mnist",
    )
    .option("--mirror <url...>", "download MNIST from here")
    .option("--out <folder>", "where to make the dataset's folder", "data")
    .option("--overwrite", "replace a dataset of the same name")
    .option("--grid-size <n>", "cells per row and column", wholeNumber, 3)
    .option("--classes <list>", "digits to use: 0,1,2 or zero,one,two", wordList)
    .option("--colors <list>", "colours to use: red,blue or name=#rrggbb", colorList)
    .option("--shapes <list>", "shapes to use: any of circle,rectangle,triangle,cross,none", wordList)
    .option("--sizes <list>", "sizes to use: any of small,medium,large", wordList)
    .option("--attributes <file>", "JSON file with digits, colors, shapes, sizes, templates, probabilities")
    .addHelpText("after", exampleCalls(...calls));
  withCommonFlags(command).action((flags: GenerateFlags) =>
    present(context, flags, (onProgress) => generate(flags, context, onProgress), describe),
  );
};

async function generate(
  flags: GenerateFlags,
  { terminal, signal }: CommandContext,
  onProgress: ProgressListener,
): Promise<WrittenDataset & { seconds: number }> {
  const started = performance.now();
  const attributes = await readAttributes(flags);
  const { attributeBudget, targetSampleComplexity, valAttributeBudget, testAttributeBudget, seed, gridSize } = flags;
  const budgets = { attributeBudget, targetSampleComplexity, valAttributeBudget, testAttributeBudget };
  const settings = { ...budgets, attributes, seed, gridSize, onProgress, signal };
  checkSettings(settings);
  const digits = await loadDigits(flags, attributes, { onProgress, signal });
  if (digits.note) terminal.err(digits.note);
  const { directory, splits } = await writeDataset({ ...settings, digits, out: flags.out, overwrite: flags.overwrite });
  return { directory, splits, seconds: Number(((performance.now() - started) / 1000).toFixed(3)) };
}

function describe({ directory, splits }: WrittenDataset): string {
  const parts = Object.entries(splits).map(
    ([split, { images, averageSampleComplexity }]) =>
      `${counted(images, `${split} image`)} (${averageSampleComplexity.toFixed(1)} attributes on average)`,
  );
  return `${directory}: ${parts.join(", ")}`;
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
    const choice = parseJson(text, "The file of attributes") as AttributeChoice;
    chooseAttributes(choice);
    return choice;
  } catch (cause) {
    throw isVillaError(cause) ? new VillaError(cause.code, `${path}: ${cause.message}`, { cause }) : cause;
  }
}

async function loadDigits(
  { digits, seed, testAttributeBudget, mirror }: GenerateFlags,
  attributes: DocMnistAttributes,
  running: { readonly onProgress: ProgressListener; readonly signal: AbortSignal },
): Promise<MnistDigits> {
  if (digits === "glyphs") {
    const labels = attributes.digits.map((digit) => digit.label);
    return glyphSource(seed, { labels, test: testAttributeBudget ? testGlyphs : 0 });
  }
  if (digits !== "mnist") return loadMnist(digits);
  try {
    return loadMnist(await downloadMnist({ mirrors: mirror, ...running }));
  } catch (cause) {
    if (!isVillaError(cause, "Network")) throw cause;
    throw new VillaError("Network", `${cause.message} With --digits glyphs nothing is downloaded.`, { cause });
  }
}

/** Colours: built-in names, or `name=#rrggbb`. */
function colorList(text: string): NonNullable<AttributeChoice["colors"]> {
  return wordList(text).map((item) => {
    const [name, hex] = item.split("=");
    if (hex === undefined) return item;
    if (!name || !/^#?[0-9a-f]{6}$/i.test(hex)) {
      throw new InvalidArgumentError(`"${item}" is not a colour; write a name, or name=#rrggbb.`);
    }
    const value = Number.parseInt(hex.replace("#", ""), 16);
    return { name, rgb: [value >> 16, (value >> 8) & 255, value & 255] as const };
  });
}

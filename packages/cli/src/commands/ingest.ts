import { readFile } from "node:fs/promises";
import { join } from "node:path";
import {
  type CommonFlags,
  chosenShard,
  counted,
  percent,
  present,
  type RegisterCommand,
  type ShardFlags,
  seedNumber,
  table,
  wholeNumber,
  withCommonFlags,
  withShardFlags,
} from "@villa/command-kit";
import { isEnglish, type UncertainChoice } from "@villa/data";
import { columnNames } from "@villa/ingest";
import { type Command, InvalidArgumentError, Option } from "commander";
import { trainNote } from "../report/data-card.ts";

type IngestModule = typeof import("@villa/ingest/node");
type MinedAttribute = import("@villa/ingest/node").MinedAttribute;
type IngestResult = Awaited<ReturnType<IngestModule["ingestTable"]>>;

interface IngestFlags extends CommonFlags, ShardFlags {
  readonly images?: string | undefined;
  readonly table: string;
  readonly out: string;
  readonly regions: string;
  readonly minScore?: number | undefined;
  readonly nms?: number | undefined;
  readonly attributes?: string | undefined;
  readonly mine?: number | undefined;
  readonly negation: boolean;
  readonly language?: string | undefined;
  readonly section?: readonly string[] | undefined;
  readonly suggest?: number | undefined;
  readonly inflections?: boolean | undefined;
  readonly uncertain?: UncertainChoice | undefined;
  readonly columns?: Record<string, string> | undefined;
  readonly groupBy?: string | undefined;
  readonly boxFormat: "xyxy" | "xywh";
  readonly clipBoxes?: boolean | undefined;
  readonly split: string;
  readonly seed: number;
  readonly imageFormat: "png" | "npz" | "keep";
  readonly maxSide?: number | undefined;
  readonly autoOrient?: boolean | undefined;
  readonly window?: readonly [number, number] | undefined;
  readonly frames: "middle" | "all";
  readonly encoding?: string | undefined;
  readonly limit?: number | undefined;
  readonly skipBad?: boolean | undefined;
  readonly overwrite?: boolean | undefined;
}

/** `villa ingest`: a dataset from a table and a folder of images. */
export const registerIngest: RegisterCommand = (program, context) => {
  const command = program
    .command("ingest")
    .description("make a dataset from your own table and images (resumes where it stopped)")
    .requiredOption(
      "--table <file>",
      ".jsonl, .csv, .tsv, .parquet, or COCO's .json: one row an image; WebDataset's .tar; or a folder of pictures or tars",
    )
    .requiredOption("--out <folder>", "the dataset")
    .option("--images <folder>", "the folder in which the paths of the table begin (default: the table's)");
  withRowFlags(command);
  withImageFlags(command);
  withShardFlags(command, "rows")
    .option("--limit <n>", "only the first rows", wholeNumber)
    .option("--skip-bad", "list rows and boxes that cannot be used and leave them out, instead of stopping")
    .option("--overwrite", "replace a dataset that is there already")
    .addHelpText(
      "after",
      `
Examples:
  villa ingest --images photos --table products.csv --attributes attributes.json --out data/products
  villa ingest --images files --table reports.jsonl --section FINDINGS,IMPRESSION --attributes findings.json \\
    --inflections --uncertain omit --group-by patient --out data/reports
  villa ingest --table downloaded/imagefolder --attributes attributes.json --out data/hub
  villa ingest --images photos --table products.csv --regions proposals:detector.onnx --mine 50 --out data/products
  villa ingest --images train2017 --table captions.json --regions full --limit 1000 --out data/coco`,
    );
  withCommonFlags(command).action((flags: IngestFlags) =>
    present(
      context,
      flags,
      async (progress) => {
        const { ingestTable, parseSplitShares } = await import("@villa/ingest/node");
        const shard = chosenShard(flags, context.terminal);
        const model = /^proposals:(.+)$/.exec(flags.regions)?.[1];
        const { openDetector } = await import("../open-detector.ts");
        const proposer = model === undefined ? undefined : await openDetector(model, flags);
        const result = await ingestTable({
          proposer,
          regions: proposer ? undefined : flags.regions,
          ...given(flags, [
            "table",
            "images",
            "out",
            "attributes",
            "mine",
            "language",
            "suggest",
            "inflections",
            "boxFormat",
            "clipBoxes",
          ]),
          ...given(flags, ["seed", "encoding", "limit", "skipBad", "overwrite"]),
          negation: flags.negation ? undefined : false,
          sections: flags.section,
          uncertain: flags.uncertain,
          columns: { ...flags.columns, group: flags.groupBy ?? flags.columns?.group },
          split: parseSplitShares(flags.split),
          image: { format: flags.imageFormat, ...given(flags, ["maxSide", "autoOrient", "window"]) },
          frames: flags.frames,
          shard,
          mergeOnly: flags.merge,
          onProgress: progress,
          signal: context.signal,
        });
        if (!result.complete) return result;
        const { writeDataCard } = await import("../report/data-card.ts");
        const { examples: _, ...counts } = result;
        const suggested = flags.suggest === undefined ? undefined : await suggestions(result.directory);
        return { ...counts, suggested, card: await writeDataCard(result.directory, result) };
      },
      (result) => describe(result, flags),
    ),
  );
};

function withRowFlags(command: Command): void {
  command
    .option("--columns <names>", "which column holds what, e.g. image=file,text=report,id=study", parseColumns)
    .option(
      "--regions <rule>",
      "regions of rows without boxes: full, grid:3x3, pyramid:1-3, proposals:MODEL.onnx, or a JSON file of boxes",
      "grid:3x3",
    )
    .option("--min-score <score>", "proposals: boxes of a lower score are left out (default: 0.05)", fraction)
    .option(
      "--nms <overlap>",
      "proposals: boxes that overlap a better one by more than this (IoU) are left out (default: 0.5)",
      fraction,
    )
    .addOption(
      new Option("--box-format <format>", "corners, or left, top, width, height")
        .choices(["xyxy", "xywh"])
        .default("xyxy"),
    )
    .option("--clip-boxes", "cut boxes off at the edge of their image instead of refusing them")
    .option("--attributes <file>", "JSON file of attributes to look for in the texts: names, synonyms, templates")
    .option(
      "--mine <n>",
      "take the n most frequent noun phrases and adjectives of the texts as attributes instead, and list them for review",
      wholeNumber,
    )
    .option("--suggest <n>", "list n frequent phrases that no attribute of the file covers", wholeNumber)
    .option("--inflections", "find attributes by any form of their words: mugs for mug (English)")
    .addOption(
      new Option(
        "--uncertain <choice>",
        'what "possible edema" says of edema: it is there, is not, or nothing (English)',
      ).choices(["positive", "negative", "omit"]),
    )
    .option("--section <names>", "only these sections of the texts, e.g. FINDINGS,IMPRESSION", listed)
    .option("--no-negation", 'count mentions such as "no lid" too (in English; in other languages all count)')
    .option("--language <tag>", "language of the texts, e.g. de; it decides where sentences end (default: en)")
    .option("--split <shares>", "shares of the splits, for rows without one", "train=0.8,val=0.1,test=0.1")
    .option("--group-by <column>", "rows that agree in this column fall into the same split, e.g. patient")
    .option("--seed <n>", "seed of the random split", seedNumber, 23)
    .option("--encoding <name>", "encoding of a text table (default: utf-8)");
}

function withImageFlags(command: Command): void {
  command
    .addOption(
      new Option(
        "--image-format <format>",
        "png; npz: the original's sparse arrays; keep: files as they are if possible",
      )
        .choices(["png", "npz", "keep"])
        .default("png"),
    )
    .option("--max-side <pixels>", "scale larger images down, boxes too", wholeNumber)
    .option("--auto-orient", "turn photos as their EXIF orientation says; boxes count in the turned image")
    .option(
      "--window <centre,width>",
      "DICOM: grey levels that are told apart, e.g. --window=-600,1500 for lungs in CT (default: the file's own window)",
      parseWindow,
    )
    .addOption(
      new Option("--frames <which>", "DICOM files with several frames: the middle one, or a row for each")
        .choices(["middle", "all"])
        .default("middle"),
    );
}

/** A number from 0 to 1. */
function fraction(text: string): number {
  const value = Number(text);
  if (text.trim() !== "" && value >= 0 && value <= 1) return value;
  throw new InvalidArgumentError(`Give a number from 0 to 1, not "${text}".`);
}

/** `-600,1500` */
function parseWindow(text: string): [number, number] {
  const [centre, width, ...rest] = text.split(",").map((word) => (word.trim() === "" ? Number.NaN : Number(word)));
  if (rest.length === 0 && Number.isFinite(centre) && Number.isFinite(width) && width! > 0) return [centre!, width!];
  throw new InvalidArgumentError(`Give a centre and a width greater than 0, such as -600,1500; not "${text}".`);
}

/** `image=file,text=report` */
function parseColumns(text: string): Record<string, string> {
  const known: readonly string[] = columnNames;
  const pairs = text.split(",").map((pair) => pair.split("=").map((word) => word.trim()));
  const bad = pairs.find(([name, column, ...rest]) => !known.includes(name ?? "") || !column || rest.length > 0);
  if (bad) throw new InvalidArgumentError(`Give NAME=COLUMN pairs of ${known.join(", ")}, not "${bad.join("=")}".`);
  return Object.fromEntries(pairs) as Record<string, string>;
}

/** `FINDINGS,IMPRESSION` */
function listed(text: string): string[] {
  const names = text.split(",").map((name) => name.trim());
  if (names.includes("")) throw new InvalidArgumentError(`Give names with commas between them, not "${text}".`);
  return names;
}

/** The flags that were given, by name. */
function given<Flags extends object, Key extends keyof Flags>(flags: Flags, keys: readonly Key[]) {
  const entries = keys.filter((key) => flags[key] !== undefined).map((key) => [key, flags[key]]);
  return Object.fromEntries(entries) as Pick<Flags, Key>;
}

/** Poor proposals are the usual reason for an AP of 0. */
function recallLine({ boxes, found50, found75 }: NonNullable<IngestResult["recall"]>): string {
  const share = (found: number): string => `${percent(found / boxes)} %`;
  return `Recall of the proposals: ${share(found50)} of ${counted(boxes, "true box", "true boxes")} at an overlap of 0.5, ${share(found75)} at 0.75.`;
}

type Printed = Omit<Extract<IngestResult, { complete: true }>, "examples"> & {
  readonly card: string;
  readonly suggested?: readonly MinedAttribute[] | undefined;
};

/** Phrases that no attribute covers. */
async function suggestions(directory: string): Promise<MinedAttribute[]> {
  const { suggestedFile } = await import("@villa/ingest/node");
  return JSON.parse(await readFile(join(directory, suggestedFile), "utf8")) as MinedAttribute[];
}

function describe(
  result: Printed | Extract<IngestResult, { complete: false }>,
  { language, negation }: Pick<IngestFlags, "language" | "negation">,
): string {
  const { directory, rows } = result;
  if (!result.complete)
    return `This shard of ${rows} rows is done; when all are, villa merge ingest with the same flags joins them.`;
  const { images, regions, splits, attributes, skippedRows, skippedBoxes, truthNote, recall, card } = result;
  const note = trainNote(result);
  return [
    `${counted(images, "image")} with ${counted(regions, "region")} in ${directory}`,
    "",
    table([["split", "images"], ...splits.map(({ split, images: own }) => [split, own])]),
    "",
    table([["attribute", "images"], ...attributes.map(({ name, images: own }) => [name, own])]),
    ...(result.suggested === undefined || result.suggested.length === 0
      ? []
      : ["", table([["no attribute covers", "texts"], ...result.suggested.map(({ name, texts }) => [name, texts])])]),
    ...(skippedRows > 0 ? ["", `Left out: ${skippedRows} of ${rows} rows; problems.jsonl says why.`] : []),
    ...(skippedBoxes > 0 ? ["", `Left out: ${counted(skippedBoxes, "box", "boxes")}; problems.jsonl says why.`] : []),
    ...(truthNote === undefined ? [] : ["", truthNote]),
    ...(recall ? ["", recallLine(recall)] : []),
    ...(note === undefined ? [] : ["", `Warning: ${note}`]),
    ...(negation && !isEnglish(language) ? ["", "Denials are known in English alone: every mention counts."] : []),
    "",
    `Data card: ${card}`,
  ].join("\n");
}

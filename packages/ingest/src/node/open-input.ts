import { createHash } from "node:crypto";
import { stat } from "node:fs/promises";
import { dirname } from "node:path";
import {
  type Box,
  isEnglish,
  isVillaError,
  joinSentences,
  proseSentences,
  reportSections,
  VillaError,
} from "@villa/data";
import { type PartSettings, readFileBytes, withPath } from "@villa/data/node";
import { type AttributeFile, readAttributeFile, type TextRules } from "../attribute-file.ts";
import { AttributeFinder, type ConvertOptions } from "../convert-row.ts";
import { parseRegionRule, type RegionRule } from "../regions.ts";
import { type ColumnName, columnNames, parseRow, sentencesOf } from "../row.ts";
import type { BoxFormat } from "../row-regions.ts";
import { defaultSeed, defaultShares } from "../split-shares.ts";
import { checkColumns, type Remedies } from "../table-columns.ts";
import type { TableRecord } from "../table-record.ts";
import { type MinedAttribute, type MinedGroup, mineAttributes, mostMinedTexts, proposeGroups } from "./mine.ts";
import type { IngestOptions } from "./options.ts";
import { hashSplit } from "./split.ts";
import { decodeUtf8, parseJsonFile } from "./table/json-file.ts";
import { isFolder, openTable, type Table } from "./table/open-table.ts";

/** Everything that rows are read and judged with. */
export interface IngestInput {
  readonly table: Table;
  /** Undefined: those that the rows name. */
  readonly attributes: AttributeFile | undefined;
  readonly mined: { readonly groups: readonly MinedGroup[] } | undefined;
  /** Frequent phrases that the vocabulary does not cover. */
  readonly suggested: readonly MinedAttribute[] | undefined;
  readonly rules: TextRules;
  readonly convert: ConvertOptions;
  readonly settings: PartSettings;
}

/** What a program gives in place of files. */
export interface GivenInput {
  readonly table?: Table | undefined;
  /** The contents of a file of attributes. */
  readonly attributes?: string | undefined;
}

/** @throws VillaError for whatever is wrong with the table as a whole, or with the files beside it */
export async function openInput(options: IngestOptions, given: GivenInput = {}): Promise<IngestInput> {
  const { regions = "grid:3x3", language, seed = defaultSeed, clipBoxes = false, limit = null } = options;
  const shares = options.split ?? defaultShares;
  const { columns = {} } = options;
  const table =
    given.table ??
    (await openTable(options.table, {
      encoding: options.encoding,
      columns: new Set(columnNames.map((name) => columns[name] ?? name)),
    }));
  await checkFolder(imagesFolder(options));
  // Rows of a program come once.
  if (!given.table) await checkTable(table, options);
  const rule = parseRegionRule(regions) ?? (await readProposals(regions, options.boxFormat));
  if (options.attributes !== undefined && options.mine !== undefined) {
    throw new VillaError("InvalidArgument", "Give either a file of attributes or --mine, not both.");
  }
  const { negation, inflections, uncertain } = options;
  const rules: TextRules = { language, negation, inflections, uncertain };
  checkWindow(options.image?.window);
  proseSentences("", { language }); // refuses an unknown language
  if (options.sections) reportSections("", options.sections); // refuses a name without a letter
  const phrases = options.mine === undefined ? options.suggest : options.mine;
  if (phrases !== undefined && !isEnglish(language)) {
    throw new VillaError("InvalidArgument", "--mine and --suggest find phrases in English alone; leave them out.");
  }
  if (options.suggest !== undefined && options.attributes === undefined) {
    throw new VillaError(
      "InvalidArgument",
      "--suggest lists what a file of attributes does not cover; give --attributes FILE.",
    );
  }
  const mined = options.mine === undefined ? undefined : await mineGroups(table, options, options.mine);
  const listed = given.attributes ?? (mined && JSON.stringify(mined));
  const attributes =
    options.attributes === undefined
      ? listed === undefined
        ? undefined
        : readAttributeFile(listed, rules)
      : await readAttributes(options.attributes, rules);
  const finder = attributes && new AttributeFinder(attributes.vocabulary);
  const suggested = options.suggest === undefined || !finder ? undefined : await suggest(table, options, finder);
  const image = { format: "png", maxSide: null, autoOrient: false, ...options.image };
  return {
    table,
    attributes,
    mined,
    suggested,
    // A dataset's attributes.json says what its texts are.
    rules: { ...rules, language: language ?? attributes?.vocabulary.language },
    convert: {
      regions: rule,
      clipBoxes,
      remedies,
      splitOf: (key) => hashSplit(key, { shares, seed }),
      attributes: finder,
    },
    settings: {
      table: table.sha256,
      columns,
      boxes: options.boxFormat ?? "xyxy",
      clipBoxes,
      image,
      frames: options.frames ?? "middle",
      limit,
      seed,
      // A vocabulary holds them; attributes of the table may have none.
      rules: { language, negation, inflections, uncertain },
      sections: options.sections ?? null,
      suggest: options.suggest ?? null,
      encoding: options.encoding ?? "utf-8",
      split: shares,
      attributes: attributes?.vocabulary ?? null,
      regions: options.proposer
        ? options.proposer.identity
        : rule.kind === "proposals"
          ? createHash("sha256").update(JSON.stringify(rule)).digest("hex")
          : regions,
    },
  };
}

/** Said before anything is written. @throws VillaError `InvalidFile` */
async function checkTable(source: Table, { columns, table, attributes, mine }: IngestOptions): Promise<void> {
  const values = await firstValues(source.records());
  if (!values) return;
  const { isRectangular } = source.format;
  const isTold = attributes !== undefined || mine !== undefined;
  checkColumns(values, { table, columns, isRectangular, isTold, remedies });
}

const remedies: Remedies = {
  column: (name: ColumnName) => `Say which holds what: --columns ${name}=NAME.`,
  attributes: "give --attributes FILE to look for in the texts, or --mine N for frequent phrases",
  box: "--clip-boxes cuts it off",
};

async function firstValues(records: AsyncIterable<TableRecord>): Promise<TableRecord["values"]> {
  for await (const { values } of records) return values;
  return undefined;
}

/** @throws VillaError `InvalidArgument` */
function checkWindow(window: readonly number[] | undefined): void {
  if (window === undefined || (window.length === 2 && window.every(Number.isFinite) && window[1]! > 0)) return;
  throw new VillaError(
    "InvalidArgument",
    `The window of DICOM files must be a centre and a width greater than 0, such as -600,1500; not ${window.join(",")}.`,
  );
}

/** Phrases found by `mine`, in the form of a file of attributes. */
export const minedFile = "mined-attributes.json";

/** Where paths in the table begin. */
export function imagesFolder({ images, table }: IngestOptions): string {
  return images ?? (isFolder(table) ? table : dirname(table));
}

/** Better said once than for every row. */
async function checkFolder(path: string): Promise<void> {
  const isFolder = await stat(path).then(
    (entry) => entry.isDirectory(),
    () => false,
  );
  if (!isFolder) throw new VillaError("NotFound", `There is no folder of images ${path}; see --images.`);
}

/** Phrases that no attribute covers, as `mined-attributes.json` has them. */
export const suggestedFile = "suggested-attributes.json";

/** Frequent phrases in which none of the attributes is mentioned; those of a single text say little. */
async function suggest(table: Table, options: IngestOptions, finder: AttributeFinder): Promise<MinedAttribute[]> {
  const mined = await mineTable(table, options, Number.POSITIVE_INFINITY);
  const uncovered = mined.filter(({ name, texts }) => texts > 1 && finder.states([name]).size === 0);
  return uncovered.slice(0, options.suggest);
}

async function mineGroups(
  table: Table,
  options: IngestOptions,
  count: number,
): Promise<{ readonly groups: readonly MinedGroup[] }> {
  const mined = await mineTable(table, options, count);
  if (mined.length === 0) {
    throw new VillaError("InvalidFile", "The texts hold no noun phrases; give a file of attributes.");
  }
  return { groups: await proposeGroups(mined) };
}

async function mineTable(
  table: IngestInput["table"],
  { columns = {}, sections, limit = Number.POSITIVE_INFINITY, onProgress }: IngestOptions,
  count: number,
): Promise<MinedAttribute[]> {
  const total = Math.min(table.expectedRows, limit, mostMinedTexts);
  const texts = async function* () {
    for await (const { number, values } of table.records()) {
      if (number >= limit) break;
      const text = values?.[columns.text ?? "text"];
      onProgress?.({ task: "mining phrases", done: Math.min(number + 1, total), total, unit: "texts" });
      yield minedText(text, sections);
    }
  };
  return mineAttributes(texts(), count);
}

/** "" for what is refused with its row. */
function minedText(value: unknown, sections: readonly string[] | undefined): string {
  try {
    return joinSentences(sentencesOf(value, { sections }));
  } catch (error) {
    if (!isVillaError(error, "InvalidFile")) throw error;
    return "";
  }
}

async function readAttributes(path: string, rules: TextRules): Promise<AttributeFile> {
  const bytes = await readFileBytes(path);
  return withPath(path, () => readAttributeFile(decodeUtf8(path, bytes), rules));
}

/** `{ "<image or id>": [[x0, y0, x1, y1], …] }` */
async function readProposals(path: string, format: BoxFormat = "xyxy"): Promise<RegionRule> {
  const bytes = await readFileBytes(path).catch((error: unknown) => {
    if (!isVillaError(error, "NotFound")) throw error;
    throw new VillaError(
      "NotFound",
      `--regions takes full, grid:3x3, pyramid:1-3, proposals:MODEL.onnx or a JSON file of proposals; there is no file ${path}.`,
    );
  });
  const value = parseJsonFile(path, bytes);
  const entries = Object.entries((value ?? {}) as Record<string, unknown>);
  const boxes = entries.map(([name, own]): [string, readonly Box[]] => {
    try {
      const row = parseRow({ image: name, text: name, boxes: own }, 0, { boxFormat: format });
      return [name, row.boxes?.filter((box) => box !== undefined) ?? []];
    } catch (error) {
      throw new VillaError("InvalidFile", `${path}: "${name}": ${(error as Error).message}.`);
    }
  });
  return { kind: "proposals", boxes: Object.fromEntries(boxes) };
}

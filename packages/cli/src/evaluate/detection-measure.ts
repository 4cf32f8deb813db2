import { existsSync } from "node:fs";
import { VillaError } from "@villa/data";
import { readFileBytes } from "@villa/data/node";
import {
  type CategoryResult,
  type CocoDataset,
  type CocoDetection,
  categorySplits,
  cocoEvaluation,
  type DetectionEvaluation,
  type IouType,
  lvisEvaluation,
  type SampleNumbers,
} from "@villa/metrics";
import { readJsonFile } from "./read-json.ts";

/** Whose rules detections are judged by. */
export type DetectionProtocol = "coco" | "lvis";

/** What detections are judged by. */
export interface DetectionRules {
  readonly iouType: IouType;
  readonly protocol: DetectionProtocol;
  readonly unknownCategories: "refuse" | "ignore";
  /** Ids of the novel categories; all others are base ones. */
  readonly novel?: readonly number[] | undefined;
}

/** A number that each category has by either protocol. */
type CategoryNumber = "AP" | "AP50" | "AP75" | "APs" | "APm" | "APl";

/** Detections that were judged. */
export interface MeasuredDetections {
  readonly evaluation: Pick<
    DetectionEvaluation<CategoryNumber, string>,
    "perCategory" | "curves" | "images" | "found" | "unjudged" | "boxes" | "truthBoxes" | "warnings"
  >;
  /** -1 where there is nothing to find. */
  readonly numbers: SampleNumbers;
  /** On a sample of the images; NaN where there is nothing to find. */
  readonly measure: (sample: ArrayLike<number>) => SampleNumbers;
}

/** Numbers of parts of the categories. */
const splitNames = ["AP", "AP50"] as const;
const frequencies = { APr: "r", APc: "c", APf: "f" } as const;

/** A truth is in LVIS's form where its images say what is absent and its categories how frequent they are. */
export function protocolOf(truth: CocoDataset, chosen: DetectionProtocol | undefined): DetectionProtocol {
  if (chosen !== undefined) return chosen;
  const { images, categories } = truth;
  const isFederated =
    images.length > 0 &&
    categories.length > 0 &&
    images.every(({ neg_category_ids }) => Array.isArray(neg_category_ids)) &&
    categories.every(({ frequency }) => frequency !== undefined);
  return isFederated ? "lvis" : "coco";
}

/** Judges detections: the protocol's numbers, then those of base and novel categories, or of frequencies, where they are known. */
export function measureDetections(
  truth: CocoDataset,
  detections: readonly CocoDetection[],
  rules: DetectionRules,
): MeasuredDetections {
  const input = { truth, detections, iouType: rules.iouType, unknownCategories: rules.unknownCategories };
  if (rules.protocol === "lvis") return measured(lvisEvaluation(input), { truth, rules, ofFrequencies: [] });
  const known = truth.categories.every(({ frequency }) => Object.values<unknown>(frequencies).includes(frequency));
  const ofFrequencies = known ? (Object.keys(frequencies) as (keyof typeof frequencies)[]) : [];
  return measured(cocoEvaluation(input), { truth, rules, ofFrequencies });
}

interface Parts {
  readonly truth: CocoDataset;
  readonly rules: DetectionRules;
  readonly ofFrequencies: readonly (keyof typeof frequencies)[];
}

function measured<CategoryName extends string, Name extends string>(
  evaluation: DetectionEvaluation<CategoryName | CategoryNumber, Name>,
  { truth, rules: { novel }, ofFrequencies }: Parts,
): MeasuredDetections {
  type Category = CategoryResult<CategoryName | CategoryNumber>;
  const ids = evaluation.perCategory.map(({ id }) => id);
  const splits = novel && { base: ids.filter((id) => !novel.includes(id)), novel };
  const having = Object.fromEntries(
    ofFrequencies.map((name) => [
      name,
      truth.categories.filter(({ frequency }) => frequency === frequencies[name]).map(({ id }) => id),
    ]),
  );
  const partNumbers = (perCategory: readonly Category[]): SampleNumbers => {
    const numbers: Record<string, number> = {};
    for (const [split, own] of Object.entries(splits ? categorySplits(perCategory, splits) : {})) {
      for (const name of splitNames) numbers[`${name} ${split}`] = own[name];
    }
    for (const [name, own] of Object.entries(categorySplits(perCategory, having))) numbers[name] = own.AP;
    return numbers;
  };
  const all = (perCategory: readonly Category[]): SampleNumbers => ({
    ...evaluation.average(perCategory),
    ...partNumbers(perCategory),
  });
  return {
    evaluation,
    numbers: all(evaluation.perCategory),
    measure: (sample) =>
      Object.fromEntries(
        Object.entries(all(evaluation.resampleCategories(sample))).map(([name, value]) => [
          name,
          value === -1 ? Number.NaN : value,
        ]),
      ),
  };
}

/**
 * The novel categories that a flag names: names or ids, separated by commas, or a file with a JSON list or a line for each.
 *
 * @returns their ids
 * @throws VillaError `Mismatch` for one that the truth does not list, or when all are novel
 */
export async function novelCategories(flag: string | undefined, truth: CocoDataset): Promise<number[] | undefined> {
  if (flag === undefined) return undefined;
  const words = existsSync(flag) ? await listedIn(flag) : flag.split(",").map((word) => word.trim());
  const ids = words.map((word) => {
    const found = truth.categories.find(({ id, name }) => name === word || String(id) === String(word));
    if (found) return found.id;
    throw new VillaError(
      "Mismatch",
      `--novel names ${JSON.stringify(word)}, which is neither a category of the truth nor a file.`,
    );
  });
  const distinct = [...new Set(ids)];
  if (distinct.length > 0 && distinct.length < truth.categories.length) return distinct;
  throw new VillaError(
    "Mismatch",
    `--novel names ${distinct.length} of ${truth.categories.length} categories; some must be novel and some base.`,
  );
}

async function listedIn(path: string): Promise<(string | number)[]> {
  if (path.endsWith(".json")) {
    const list = await readJsonFile(path);
    if (Array.isArray(list) && list.every((each) => typeof each === "string" || typeof each === "number")) return list;
    throw new VillaError("InvalidFile", `${path} is not a list of categories' names or ids.`);
  }
  const text = new TextDecoder().decode(await readFileBytes(path));
  return text
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== "");
}

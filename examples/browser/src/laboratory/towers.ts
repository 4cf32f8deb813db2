import { vocabularyWithTruth } from "@villa/data";
import { type Dataset, splitRows } from "./dataset.ts";
import { generateDataset } from "./generate.ts";
import { type KeptTowers, keepTowers, keptTowers } from "./keep.ts";
import type { DatasetSettings, OutputFile, TowerEvent, TowerFileKind, TowerSettings, TowersState } from "./protocol.ts";
import type { TowerData } from "./train-towers.ts";

/** Pairs of an image, at most: the comparison goes from simple to complex images. */
const complexities = [4, 12, 24] as const;
/** All towers of drawn digits are judged by the same regions: those of the val split of this complexity. */
const judgeComplexity = 12;
/** Weights, order of the images, and the mapping model's. */
const seed = 23;

/** What towers are trained on. */
export interface TowerSource {
  readonly dataset: Dataset;
  /** The settings that it was made with; undefined where it comes from files. */
  readonly generated?: DatasetSettings | undefined;
}

/** The towers of the newest comparison. They outlast a reload, and are shown for what they were trained on alone. */
export class Towers {
  #towers: KeptTowers | undefined;
  #recalling: Promise<void> | undefined;

  /** What is known for some data and settings. */
  async state(source: TowerSource, settings: TowerSettings): Promise<TowersState> {
    await this.#recall();
    const isOurs = this.#towers?.key === keyOf(source, settings);
    const { generated } = source;
    return {
      points: isOurs ? this.#towers!.points : [],
      towers: 2 * (generated ? complexities.length : 1),
      generated: generated !== undefined,
      judgedOn: generated ? "val" : judgedSplit(source.dataset),
      refusal: refusalOf(source),
      hasOthers: this.#towers !== undefined && !isOurs,
    };
  }

  /**
   * Trains what is missing for some data and settings; all of it anew when nothing is missing.
   *
   * @throws VillaError `Aborted` and as the packages do; what was finished stays
   */
  async train(
    source: TowerSource,
    settings: TowerSettings,
    { listen, signal }: { readonly listen: (event: TowerEvent) => void; readonly signal: AbortSignal },
  ): Promise<void> {
    const { points, towers } = await this.state(source, settings);
    const { trainTowers } = await import("./train-towers.ts");
    const key = keyOf(source, settings);
    let known = points.length < towers ? points : [];
    await trainTowers(towerData(source), {
      settings,
      seed,
      known,
      listen,
      signal,
      finished: async (point, files) => {
        known = [...known, point];
        this.#towers = { key, points: known, files };
        await keepTowers(this.#towers);
      },
    });
  }

  /** The last tower. @returns undefined where none belongs to these data and settings */
  async file(source: TowerSource, settings: TowerSettings, kind: TowerFileKind): Promise<OutputFile | undefined> {
    const { points } = await this.state(source, settings);
    const last = points.at(-1);
    if (!last) return undefined;
    const name = last.pairs === "image" ? "whole" : "mapped";
    const bytes = this.#towers!.files[kind].slice() as Uint8Array<ArrayBuffer>;
    return { name: `tower_${name}.${kind === "onnx" ? "onnx" : "safetensors"}`, bytes };
  }

  #recall(): Promise<void> {
    this.#recalling ??= keptTowers().then((kept) => {
      this.#towers ??= kept;
    });
    return this.#recalling;
  }
}

/** The same for equal data and settings. Where it is computed does not matter, and of drawn digits all complexities are trained. */
function keyOf({ dataset, generated }: TowerSource, { steps }: TowerSettings): string {
  if (!generated) return JSON.stringify({ steps, files: dataset.name, digest: digestOf(dataset) });
  const { targetSampleComplexity: _, ...rest } = generated;
  return JSON.stringify({ steps, drawn: rest });
}

/** FNV-1a of everything that towers learn from and are judged by, except for pixels. */
function digestOf({ rows, vocabulary }: Dataset): number {
  let value = 0x811c9dc5;
  const add = (part: unknown): void => {
    for (const character of JSON.stringify(part) ?? "") {
      value = Math.imul(value ^ character.codePointAt(0)!, 0x01000193) >>> 0;
    }
  };
  add(vocabulary);
  for (const { imageFilepath, split, text, sentences, attributes, regionCoord, regToAttr } of rows) {
    add([imageFilepath, split, text, sentences, attributes, regionCoord, regToAttr]);
  }
  return value;
}

function towerData(source: TowerSource): TowerData[] {
  const { generated } = source;
  if (!generated) return [{ dataset: () => source.dataset, judge: { ...source, split: judgedSplit(source.dataset) } }];
  const made = (targetSampleComplexity: number): Dataset => generateDataset({ ...generated, targetSampleComplexity });
  const judge = { dataset: made(judgeComplexity), split: "val" };
  return complexities.map((target) => ({ target, dataset: () => made(target), judge }));
}

const judgedSplit = (dataset: Dataset): string => {
  const splits = splitRows(dataset);
  return splits.has("val") || !splits.has("test") ? "val" : "test";
};

/** Why no towers can be compared on these data; undefined where they can. */
function refusalOf({ dataset, generated }: TowerSource): string | undefined {
  if (generated) return undefined;
  const splits = splitRows(dataset);
  const train = splits.get("train") ?? [];
  const held = splits.get(judgedSplit(dataset)) ?? [];
  if (train.length < 2 || !train.some((row) => dataset.rows[row]!.attributes.length > 0)) {
    return "These data have no train split with attributes to learn from.";
  }
  if (held.length === 0) return "These data have no val or test split, so nothing is held out to judge towers by.";
  const isKnown = held.every((row) => dataset.rows[row]!.regToAttr);
  if (isKnown && vocabularyWithTruth(dataset.vocabulary).groups.some(({ attributes }) => attributes.length > 0)) {
    return undefined;
  }
  return "The true attributes of these data are not known, so there is nothing to judge towers by.";
}

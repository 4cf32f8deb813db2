import { type ImageAnnotation, VillaError } from "@villa/data";
import type { IngestedPart, IngestedRow, RowProblem } from "./ingested-row.ts";
import type { ProposalRecall } from "./regions.ts";

/** What a dataset holds, counted row by row: the counts take no more memory for more rows. */
export interface DatasetFigures {
  readonly images: number;
  readonly regions: number;
  /** train, val, test, then others; `complexity` is the average of their images. */
  readonly splits: readonly {
    readonly split: string;
    readonly images: number;
    readonly regions: number;
    readonly complexity: number;
  }[];
  /**
   * Images of each sample complexity: the number of (region, attribute) pairs where all rows tell it, else the number of
   * the image's attributes, which is a lower bound.
   *
   * @see ViLLA paper, section 3
   */
  readonly complexities: readonly { readonly complexity: number; readonly images: number }[];
  /** Whether all true attributes of all regions are known. */
  readonly hasTruth: boolean;
  /** Images of which nothing can be learned. */
  readonly withoutAttributes: number;
  /** The most frequent sizes in pixels, and how many there are. */
  readonly sizes: readonly { readonly width: number; readonly height: number; readonly images: number }[];
  readonly distinctSizes: number;
  /** Images spread evenly over the dataset. */
  readonly examples: readonly ImageAnnotation[];
  /** Rows left out, the first hundred of them. */
  readonly problems: readonly RowProblem[];
  readonly skippedRows: number;
  /** Boxes left out of rows that are in the dataset. */
  readonly skippedBoxes: number;
  /** Of proposals, over all rows that have boxes; absent where there are none, or no proposals. */
  readonly recall?: ProposalRecall | undefined;
}

/** Problems kept; all are in `problems.jsonl`. */
const problemsListed = 100;
const sizesListed = 5;
const examplesListed = 6;
/** More attributes than a vocabulary can have: they are sentences, or ids. */
const mostAttributes = 10_000;
const usualSplits = ["train", "val", "test"];

interface SplitCount {
  images: number;
  regions: number;
  readonly pairs: Map<number, number>;
  readonly attributes: Map<number, number>;
}

/** Counts the parts of a dataset, in order. */
export class DatasetSurvey {
  /** Images whose text or row has an attribute, in all and in the train split. */
  readonly attributes = new Map<string, { images: number; trainImages: number }>();
  images = 0;
  /** Attributes that some region truly has. */
  readonly trueAttributes = new Set<string>();
  /** Whether any row tells the true attributes of its regions. */
  someTruth = false;
  /** Whether any region has a mask. */
  someMasks = false;
  /** Whether the size of any picture's pixels is known. */
  someSpacing = false;
  #allTruth = true;
  #withoutAttributes = 0;
  #skippedRows = 0;
  #skippedBoxes = 0;
  #recall: ProposalRecall | undefined;
  readonly #problems: RowProblem[] = [];
  readonly #splits = new Map<string, SplitCount>();
  readonly #sizes = new Map<string, number>();
  readonly #groups = new Map<string, string>();
  readonly #examples = new EvenSample<ImageAnnotation>(examplesListed);

  /** @throws VillaError `InvalidFile` when a group crosses splits, or the attributes are not valid */
  add({ rows, problems }: IngestedPart): void {
    const boxes = problems.filter(({ boxOnly }) => boxOnly).length;
    this.#skippedBoxes += boxes;
    this.#skippedRows += problems.length - boxes;
    this.#problems.push(...problems.slice(0, problemsListed - this.#problems.length));
    for (const row of rows) this.#addRow(row);
  }

  /** @param truthCoversAll whether regions' true attributes tell all that they have */
  figures({ truthCoversAll }: { readonly truthCoversAll: boolean }): DatasetFigures {
    const hasTruth = this.#allTruth && truthCoversAll;
    const kind = hasTruth ? "pairs" : "attributes";
    const counts = [...this.#splits].sort(([a], [b]) => place(a) - place(b));
    const total = new Map<number, number>();
    for (const [, own] of counts) for (const [complexity, images] of own[kind]) tally(total, complexity, images);
    return {
      images: this.images,
      regions: counts.reduce((sum, [, { regions }]) => sum + regions, 0),
      splits: counts.map(([split, { images, regions, [kind]: own }]) => ({
        split,
        images,
        regions,
        complexity: [...own].reduce((sum, [complexity, times]) => sum + complexity * times, 0) / images,
      })),
      complexities: [...total].sort(([a], [b]) => a - b).map(([complexity, images]) => ({ complexity, images })),
      hasTruth,
      withoutAttributes: this.#withoutAttributes,
      sizes: [...this.#sizes]
        .sort(([, a], [, b]) => b - a)
        .slice(0, sizesListed)
        .map(([size, images]) => {
          const [width, height] = size.split("x").map(Number) as [number, number];
          return { width, height, images };
        }),
      distinctSizes: this.#sizes.size,
      examples: this.#examples.take(),
      problems: this.#problems,
      skippedRows: this.#skippedRows,
      skippedBoxes: this.#skippedBoxes,
      recall: this.#recall,
    };
  }

  #addRow({ annotation, group, spacing, recall }: IngestedRow): void {
    const { split, regToAttr, attributes, numRegions } = annotation;
    const [height, width] = annotation.imageSize;
    this.images++;
    this.someTruth ||= regToAttr !== undefined;
    if (recall) {
      const { boxes, found50, found75 } = this.#recall ?? { boxes: 0, found50: 0, found75: 0 };
      this.#recall = {
        boxes: boxes + recall.boxes,
        found50: found50 + recall.found50,
        found75: found75 + recall.found75,
      };
    }
    this.someSpacing ||= spacing !== undefined;
    this.someMasks ||= annotation.regionMasks !== undefined;
    this.#allTruth &&= regToAttr !== undefined;
    if (attributes.length === 0) this.#withoutAttributes++;
    tally(this.#sizes, `${width}x${height}`);
    this.#examples.add(annotation);
    const count = this.#splits.get(split) ?? { images: 0, regions: 0, pairs: new Map(), attributes: new Map() };
    this.#splits.set(split, count);
    count.images++;
    count.regions += numRegions;
    tally(count.attributes, attributes.length);
    tally(count.pairs, regToAttr?.reduce((sum, own) => sum + own.length, 0) ?? 0);
    for (const name of attributes) this.#addAttribute(name, split, 1);
    // True attributes that the row does not name itself belong into the vocabulary all the same.
    for (const name of new Set(regToAttr?.flat())) {
      this.#addAttribute(name, split, 0);
      this.trueAttributes.add(name);
    }
    if (group !== undefined) this.#addGroup(group, split);
  }

  #addAttribute(name: string, split: string, images: 0 | 1): void {
    let count = this.attributes.get(name);
    if (!count) {
      if (this.attributes.size >= mostAttributes) {
        throw new VillaError("InvalidFile", `The table has more than ${mostAttributes} attributes, such as "${name}".`);
      }
      count = { images: 0, trainImages: 0 };
      this.attributes.set(name, count);
    }
    count.images += images;
    if (split === "train") count.trainImages += images;
  }

  #addGroup(group: string, split: string): void {
    const other = this.#groups.get(group);
    if (other !== undefined && other !== split) {
      throw new VillaError(
        "InvalidFile",
        `The table puts the group "${group}" into two splits, ${other} and ${split}; correct its column of splits, or leave that out.`,
      );
    }
    this.#groups.set(group, split);
  }
}

/** Items spread evenly over a sequence whose length is not known. */
class EvenSample<T> {
  readonly #count: number;
  #stride = 1;
  #seen = 0;
  #items: T[] = [];

  constructor(count: number) {
    this.#count = count;
  }

  add(item: T): void {
    if (this.#seen++ % this.#stride !== 0) return;
    this.#items.push(item);
    if (this.#items.length < 4 * this.#count) return;
    this.#items = this.#items.filter((_, i) => i % 2 === 0);
    this.#stride *= 2;
  }

  take(): T[] {
    const { length } = this.#items;
    const count = Math.min(this.#count, length);
    return Array.from({ length: count }, (_, i) => this.#items[Math.floor((i * length) / count)]!);
  }
}

const place = (split: string): number =>
  usualSplits.includes(split) ? usualSplits.indexOf(split) : usualSplits.length;

function tally<Key>(counts: Map<Key, number>, key: Key, times = 1): void {
  counts.set(key, (counts.get(key) ?? 0) + times);
}

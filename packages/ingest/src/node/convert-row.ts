import {
  AttributeMentions,
  type AttributeVocabulary,
  attributeNames,
  type Box,
  isVillaError,
  VillaError,
} from "@villa/data";
import { fitBox, type RegionRule, ruledRegions } from "../regions.ts";
import type { TableRow } from "../row.ts";
import type { StoredImage } from "./images.ts";
import type { IngestedRow } from "./job.ts";
import { hashSplit, type SplitShares } from "./split.ts";

export interface ConvertOptions {
  readonly regions: RegionRule;
  readonly clipBoxes: boolean;
  /** Absent: the table's own attributes are taken as they are. */
  readonly attributes: AttributeFinder | undefined;
  readonly shares: SplitShares;
  readonly seed: number;
}

/** A row as an annotation, and which of its boxes were left out. */
export interface ConvertedRow {
  readonly row: IngestedRow;
  readonly droppedBoxes: readonly string[];
}

/**
 * Turns a row whose image is stored into an annotation.
 *
 * @param options `dropBoxes`: leave out boxes that do not fit the image as long as others remain
 * @throws VillaError `InvalidFile`
 */
export function convertRow(
  row: TableRow,
  image: StoredImage,
  options: ConvertOptions & { readonly dropBoxes?: boolean | undefined },
): ConvertedRow {
  const { source, stored } = image;
  const boxes = row.boxes ?? ruledRegions(options.regions, source, [row.id, row.image]);
  const fitted = boxes.map((box, region) => {
    try {
      return fitBox(box, region, { source, stored, clip: options.clipBoxes });
    } catch (error) {
      if (isVillaError(error, "InvalidFile")) return error;
      throw error;
    }
  });
  const problems = fitted.filter((box) => isVillaError(box));
  if (problems.length > 0 && (!options.dropBoxes || problems.length === boxes.length)) throw problems[0]!;
  const isKept = (_: unknown, region: number) => !isVillaError(fitted[region]);
  const regionCoord = fitted.filter((box): box is Box => !isVillaError(box));
  const finder = options.attributes;
  const regToAttr = row.regionAttributes?.filter(isKept).map((own) => finder?.canonical(own) ?? own);
  const converted: IngestedRow = {
    annotation: {
      imageId: row.number,
      imageSize: [stored.height, stored.width],
      imageFilepath: image.path,
      regionCoord,
      numRegions: regionCoord.length,
      split: row.split ?? hashSplit(row.group ?? row.id ?? row.image, options.shares, options.seed),
      text: row.text,
      regToAttr,
      attributes: attributesOf(row, finder, regToAttr),
    },
    source: row.image,
    id: row.id,
    group: row.group,
  };
  return { row: converted, droppedBoxes: [...(row.droppedBoxes ?? []), ...problems.map(({ message }) => message)] };
}

function attributesOf(
  { attributes, text }: TableRow,
  finder: AttributeFinder | undefined,
  regToAttr: readonly (readonly string[])[] | undefined,
): readonly string[] {
  if (attributes) return finder?.canonical(attributes) ?? attributes;
  if (finder) return finder.find(text);
  if (regToAttr) return [...new Set(regToAttr.flat())];
  throw new VillaError(
    "InvalidFile",
    "it has no attributes; give --attributes FILE to look for in the texts, or --mine N for frequent phrases",
  );
}

/** Finds a vocabulary's attributes in texts, and knows them by their synonyms. */
export class AttributeFinder {
  readonly #mentions: AttributeMentions;
  readonly #names = new Map<string, string>();

  constructor(vocabulary: AttributeVocabulary) {
    this.#mentions = new AttributeMentions(vocabulary);
    for (const { synonyms } of vocabulary.groups) {
      for (const [name, words] of Object.entries(synonyms ?? {})) {
        for (const word of words) this.#names.set(word.toLowerCase(), name);
      }
    }
    for (const name of attributeNames(vocabulary)) this.#names.set(name.toLowerCase(), name);
  }

  find(text: string): string[] {
    return this.#mentions.find(text);
  }

  /** The vocabulary's names of given attributes. @throws VillaError `InvalidFile` for one that it does not have */
  canonical(given: readonly string[]): string[] {
    const names = given.map((word) => {
      const name = this.#names.get(word.toLowerCase());
      if (name === undefined) {
        throw new VillaError("InvalidFile", `its attribute "${word}" is not in the file of attributes`);
      }
      return name;
    });
    return [...new Set(names)];
  }
}

import { AttributeMentions, type AttributeVocabulary, attributeNames, VillaError } from "@villa/data";
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

/** Turns a row whose image is stored into an annotation. @throws VillaError `InvalidFile` */
export function convertRow(row: TableRow, image: StoredImage, options: ConvertOptions): IngestedRow {
  const { source, stored } = image;
  const boxes = row.boxes ?? ruledRegions(options.regions, source, [row.id, row.image]);
  const regionCoord = boxes.map((box, region) => fitBox(box, region, { source, stored, clip: options.clipBoxes }));
  const finder = options.attributes;
  const regToAttr = row.regionAttributes?.map((own) => finder?.canonical(own) ?? own);
  return {
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

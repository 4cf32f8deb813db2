import {
  AttributeMentions,
  type AttributeVocabulary,
  attributeNames,
  type Box,
  encodeRle,
  formatRleString,
  isVillaError,
  type MentionState,
  type Rle,
  resizeRle,
  rleArea,
  VillaError,
} from "@villa/data";
import type { IngestedRow, StoredImage } from "./ingested-row.ts";
import type { MaskedRow } from "./masks.ts";
import { fitBox, type RegionRule } from "./regions.ts";
import type { Remedies } from "./table-columns.ts";

export interface ConvertOptions {
  readonly regions: RegionRule;
  readonly clipBoxes: boolean;
  /** What errors advise. */
  readonly remedies: Remedies;
  /** Absent: the table's own attributes are taken as they are. */
  readonly attributes: AttributeFinder | undefined;
  /** The split of rows that name none, by what must stay together. */
  readonly splitOf: (key: string) => string | Promise<string>;
}

/**
 * Turns a row whose image is stored into an annotation.
 *
 * @param options `onBadBox` hears what is wrong with a box, which is then left out unless it is the only one
 * @throws VillaError `InvalidFile`
 */
export async function convertRow(
  row: MaskedRow,
  image: StoredImage,
  { onBadBox, ...options }: ConvertOptions & { readonly onBadBox: (problem: string) => void },
): Promise<IngestedRow> {
  const { source, stored } = image;
  const group = row.group ?? image.patient;
  const { boxes = [] } = row;
  const regionCoord: Box[] = [];
  const kept: number[] = [];
  const problems: string[] = [];
  for (const [region, box] of boxes.entries()) {
    const name = row.boxNames?.[region] ?? `box ${region}, [${box.join(", ")}],`;
    try {
      regionCoord.push(fitBox(box, name, { source, stored, clip: options.clipBoxes, remedy: options.remedies.box }));
      kept.push(region);
    } catch (error) {
      if (!isVillaError(error)) throw error;
      problems.push(error.message);
    }
  }
  if (kept.length === 0) throw new VillaError("InvalidFile", problems[0]!);
  for (const problem of problems) onBadBox(problem);
  const masks = row.masks && kept.map((region, i) => storedMask(row.masks![region], stored, regionCoord[i]!));
  const finder = options.attributes;
  const { regionAttributes } = row;
  const states = row.attributes === undefined ? finder?.states(row.sentences) : undefined;
  const regToAttr =
    regionAttributes && kept.map((region) => finder?.canonical(regionAttributes[region]!) ?? regionAttributes[region]!);
  return {
    annotation: {
      imageId: row.number,
      imageSize: [stored.height, stored.width],
      imageFilepath: image.path,
      regionCoord,
      regionMasks: masks?.some((mask) => mask !== null) ? masks : undefined,
      numRegions: regionCoord.length,
      split: row.split ?? (await options.splitOf(group ?? row.id ?? row.image)),
      text: row.text,
      sentences: row.sentences,
      regToAttr,
      attributes: attributesOf(row, { finder, states, regToAttr, remedy: options.remedies.attributes }),
      uncertainAttributes: states && [...states].flatMap(([name, state]) => (state === "uncertain" ? [name] : [])),
    },
    source: row.image,
    id: row.id,
    group,
    spacing: image.spacing && [
      (image.spacing[0] * source.height) / stored.height,
      (image.spacing[1] * source.width) / stored.width,
    ],
  };
}

/** A mask in the pixels of the stored picture; the pixels of its box where it is too fine to be seen there. */
function storedMask(mask: Rle | undefined, stored: Size, box: Box): string | null {
  if (!mask) return null;
  const resized = resizeRle(mask, stored);
  return formatRleString(rleArea(resized) > 0 ? resized : boxMask(box, stored));
}

function boxMask([x0, y0, x1, y1]: Box, size: Size): Rle {
  const pixels = new Uint8Array(size.height * size.width);
  for (let y = y0; y < y1; y++) pixels.fill(1, y * size.width + x0, y * size.width + x1);
  return encodeRle(pixels, size);
}

/**
 * Boxes of a picture that has another size than the table says lie in the wrong places.
 *
 * @param told what the table says
 * @throws VillaError `InvalidFile` with both sizes
 */
export function checkSize(
  told: Size,
  { source, autoOrient }: Pick<StoredImage, "source"> & { readonly autoOrient: boolean },
): void {
  if (told.width === source.width && told.height === source.height) return;
  const isTurned = told.width === source.height && told.height === source.width;
  const remedy = autoOrient
    ? "; its boxes count in the picture as it lies in the file: leave out --auto-orient"
    : "; if its boxes count in the picture turned as its EXIF orientation says, give --auto-orient";
  throw new VillaError(
    "InvalidFile",
    `the table says ${told.width} × ${told.height} pixels, but the picture has ${source.width} × ${source.height}${isTurned ? remedy : ""}`,
  );
}

interface Size {
  readonly width: number;
  readonly height: number;
}

function attributesOf(
  { attributes }: MaskedRow,
  {
    finder,
    states,
    regToAttr,
    remedy,
  }: {
    readonly finder: AttributeFinder | undefined;
    readonly states: ReadonlyMap<string, MentionState> | undefined;
    readonly regToAttr: readonly (readonly string[])[] | undefined;
    readonly remedy: string;
  },
): readonly string[] {
  if (attributes) return finder?.canonical(attributes) ?? attributes;
  if (finder && states) return finder.counted(states);
  if (regToAttr) return [...new Set(regToAttr.flat())];
  throw new VillaError("InvalidFile", `it has no attributes; ${remedy}`);
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

  states(sentences: readonly string[]): Map<string, MentionState> {
    // A clause ends with its line.
    return this.#mentions.states(sentences.join("\n"));
  }

  counted(states: ReadonlyMap<string, MentionState>): string[] {
    return this.#mentions.counted(states);
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

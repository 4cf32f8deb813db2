import {
  type Box,
  checkArgument,
  type DatasetTexts,
  originalTexts,
  type Rle,
  regionMasks,
  splitJoined,
  VillaError,
} from "@villa/data";

/**
 * Which region-text pairs an image contributes:
 * `mapping` – the regions to which Stage 1 assigned text, and the whole image (ViLLA);
 * `image` – the whole image and its full text only, the standard one-to-one model;
 * `oracle` – as `mapping`, with the true attributes of each region.
 */
export type PairMode = "mapping" | "image" | "oracle";

/** What pairing needs to know of an image; rows of `mapping_*.feather` and of `annotations.feather` have it. */
export interface PairableImage {
  readonly imageId: number;
  /** [height, width] in pixels. */
  readonly imageSize: readonly [number, number];
  readonly regionCoord: readonly Box[];
  readonly text: string;
  /** The text's sentences, where the dataset keeps them. */
  readonly sentences?: readonly string[] | undefined;
  /** Sentences of each region, joined by periods; "" = none. Needed by `mapping`. */
  readonly assignedText?: readonly string[] | undefined;
  /** True attributes of each region. Needed by `oracle`. */
  readonly regToAttr?: readonly (readonly string[])[] | undefined;
  /** Masks of the regions, as annotations hold them. Looked at with `regions: "mask"` only. */
  readonly regionMasks?: readonly (string | null)[] | undefined;
}

/** The pairs of one image. */
export interface ImagePairs {
  /** [pairs] the last one is the whole image. */
  readonly boxes: readonly Box[];
  /** [pairs] the sentences that belong to each box. */
  readonly sentences: readonly (readonly string[])[];
  /** [pairs] with `regions: "mask"`: the mask of each region, null for one that is its box. Absent: all are boxes. */
  readonly masks?: readonly (Rle | null)[] | undefined;
}

/** What regions of Stage 2 are: boxes, or masks where there are any; the setting `model.regions`. */
export type RegionShape = "roi-align" | "mask";

/**
 * The region-text pairs of one image. Texts are read as `texts` says: `datasetTexts(vocabulary)`, or by default as the
 * original reads them.
 *
 * @param options `regions`: give the masks too, or boxes alone (default)
 * @throws VillaError `Mismatch` when the row lacks what the mode needs or its lists differ in length
 * @see ViLLA paper, section 3.3
 */
export function imagePairs(
  image: PairableImage,
  mode: PairMode,
  options: { readonly texts?: DatasetTexts | undefined; readonly regions?: RegionShape | undefined } = {},
): ImagePairs {
  checkArgument("image", image, {
    imageId: "number",
    imageSize: "numbers",
    regionCoord: ["numbers"],
    text: "text",
    "assignedText?": ["text"],
    "regToAttr?": ["list"],
    "regionMasks?": "list",
  });
  checkArgument("mode", mode, "'mapping' | 'image' | 'oracle'");
  checkArgument("options?", options, {
    "texts?": { sentences: "function", about: "function" },
    "regions?": "'roi-align' | 'mask'",
  });
  const { texts = originalTexts, regions = "roi-align" } = options;

  const boxes: Box[] = [];
  const sentences: (readonly string[])[] = [];
  const masks: (Rle | null)[] = [];
  const add = (box: Box, own: readonly string[], mask: Rle | null): void => {
    if (own.length === 0) return;
    boxes.push(box);
    sentences.push(own);
    masks.push(mask);
  };
  const shapes = regions === "mask" ? regionMasks(image) : undefined;
  if (mode !== "image") {
    const own = regionSentences(image, mode, texts);
    image.regionCoord.forEach((box, region) => {
      add(box, own[region]!, shapes?.[region] ?? null);
    });
  }
  const [height, width] = image.imageSize;
  add([0, 0, width - 1, height - 1], texts.sentences(image), null);
  return { boxes, sentences, masks: regions === "mask" ? masks : undefined };
}

function regionSentences(image: PairableImage, mode: "mapping" | "oracle", texts: DatasetTexts): (readonly string[])[] {
  const source = mode === "mapping" ? image.assignedText : image.regToAttr;
  if (source?.length !== image.regionCoord.length) {
    const column = mode === "mapping" ? "assigned_text" : "reg_to_attr";
    const found = source ? `has ${source.length} entries for ${image.regionCoord.length} regions` : "is missing";
    throw new VillaError(
      "Mismatch",
      `Image ${image.imageId}: the column ${column}, which pairs=${mode} needs, ${found}.`,
    );
  }
  if (mode === "mapping") return image.assignedText!.map((text) => assignedSentences(image, text, texts));
  return image.regToAttr!.map((attributes) => {
    const own = attributes.flatMap((attribute) => texts.about(image, attribute)[0] ?? []);
    return [...new Set(own)];
  });
}

/** Sentences that a dataset keeps are joined to a region's text as they are; others are taken apart again. */
function assignedSentences({ sentences }: PairableImage, text: string, texts: DatasetTexts): readonly string[] {
  return sentences === undefined ? texts.sentences(text) : splitJoined(text);
}

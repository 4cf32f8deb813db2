import type { Box, ImageAnnotation } from "@villa/data";
import { checkArgument } from "@villa/data";

/** The parts of a dataset. Train and val draw from disjoint training digits, test from the test digits. */
export type SplitName = "train" | "val" | "test";

/** One grid cell that holds a digit. */
export interface DocMnistRegion {
  /** [x0, y0, x1, y1] in pixels; x1 and y1 are exclusive. */
  readonly box: Box;
  readonly digit: string;
  readonly color: string;
  readonly shape: string | null;
  /** Size of the shape; null without one. */
  readonly size: string | null;
  /** Digit, colour and, with a shape, shape and size. */
  readonly attributes: readonly string[];
}

/** One DocMNIST image with its text and the truth about its regions. */
export interface DocMnistSample {
  /** Counts from 0 through all splits of a dataset. */
  readonly id: number;
  readonly split: SplitName;
  readonly width: number;
  readonly height: number;
  /** [3, height, width] uint8: red, green and blue planes. */
  readonly image: Uint8Array;
  /** In reading order of their boxes. */
  readonly regions: readonly DocMnistRegion[];
  /** The distinct sentences about all regions, shuffled: nothing tells which sentence belongs to which region. */
  readonly sentences: readonly string[];
  /** The sentences joined with " . ". */
  readonly text: string;
  /** Number of (region, attribute) pairs. @see ViLLA paper, section 3.1 */
  readonly sampleComplexity: number;
}

/** Where a dataset folder keeps the image of a sample, relative to the folder. */
export function imageFilepath(id: number): string {
  checkArgument("id", id, "number");

  return `images/${id}.npz`;
}

/** The sample as a row of `annotations.feather`. */
export function sampleAnnotation(sample: DocMnistSample): ImageAnnotation {
  checkArgument("sample", sample, {
    id: "number",
    split: "'train' | 'val' | 'test'",
    width: "count",
    height: "count",
    image: "bytes",
    regions: ["object"],
    sentences: ["text"],
    text: "text",
    sampleComplexity: "number",
  });

  const { id, width, height, regions, split, text } = sample;
  return {
    imageId: id,
    imageSize: [height, width],
    imageFilepath: imageFilepath(id),
    regionCoord: regions.map((region) => region.box),
    numRegions: regions.length,
    split,
    text,
    digitLabel: regions.map((region) => region.digit),
    colorLabel: regions.map((region) => region.color),
    shapeLabel: regions.map((region) => region.shape),
    sizeLabel: regions.map((region) => region.size),
    regToAttr: regions.map((region) => region.attributes),
    attributes: [...new Set(regions.flatMap((region) => region.attributes))],
  };
}

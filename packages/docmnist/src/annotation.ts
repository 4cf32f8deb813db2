import type { ImageAnnotation } from "@villa/data";
import type { DocMnistSample } from "./sample.ts";

/** Where a dataset folder keeps the image of a sample, relative to the folder. */
export function imageFilepath(id: number): string {
  return `images/${id}.npz`;
}

/** The sample as a row of `annotations.feather`. */
export function sampleAnnotation(sample: DocMnistSample): ImageAnnotation {
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

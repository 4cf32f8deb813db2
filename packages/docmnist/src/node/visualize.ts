import { extname } from "node:path";
import { encodePng, type ImageAnnotation, type MappingAnnotation, readMappings, VillaError } from "@villa/data";
import { atomicWriteFile, type Dataset, openDataset, readFileBytes, withPath } from "@villa/data/node";
import { montage, type RenderableSample, renderSample } from "../render.ts";
import { visualizationPage } from "./visualization-page.ts";

/** What to draw. */
export interface VisualizeOptions {
  /** Dataset folder. */
  readonly directory: string;
  /** Images to draw; default the first `count`. */
  readonly imageIds?: readonly number[] | undefined;
  /** How many images to draw when none is named; default 9. */
  readonly count?: number | undefined;
  /** A `mapping_*.feather`: its assigned attributes are drawn instead of the true ones, right ones green. */
  readonly mapping?: string | undefined;
  /** Ends in .png or .html. */
  readonly out: string;
  readonly scale?: number | undefined;
}

/**
 * Draws images of a dataset with their regions, texts and, if given, what a mapping assigned to the regions.
 *
 * @returns the ids of the images drawn
 * @throws VillaError `InvalidArgument`, `NotFound`, `InvalidFile`, `FileSystem`
 */
export async function visualizeDataset(options: VisualizeOptions): Promise<number[]> {
  const type = extname(options.out).toLowerCase();
  if (type !== ".png" && type !== ".html") {
    throw new VillaError("InvalidArgument", `The output file must end in .png or .html, not "${options.out}".`);
  }
  const dataset = await openDataset(options.directory);
  const mappings = options.mapping === undefined ? undefined : await readMappingFile(options.mapping);
  const rows = chooseRows(dataset, mappings, options);
  const samples: RenderableSample[] = [];
  for (const row of rows) samples.push(await renderable(dataset, row, mappings?.get(row.imageId)));
  const scale = options.scale ?? 4;
  if (type === ".png") await atomicWriteFile(options.out, encodePng(montage(samples, { scale })));
  else {
    const pictures = samples.map((sample) => encodePng(renderSample(sample, { scale, captions: false })));
    await atomicWriteFile(options.out, visualizationPage(options.directory, samples, pictures));
  }
  return rows.map((row) => row.imageId);
}

async function readMappingFile(path: string): Promise<Map<number, MappingAnnotation>> {
  const rows = await withPath(path, async () => readMappings(await readFileBytes(path)));
  return new Map(rows.map((row) => [row.imageId, row]));
}

function chooseRows(
  dataset: Dataset,
  mappings: ReadonlyMap<number, MappingAnnotation> | undefined,
  { imageIds, count = 9, directory, mapping }: VisualizeOptions,
): ImageAnnotation[] {
  if (!Number.isInteger(count) || count < 1) {
    throw new VillaError("InvalidArgument", `The number of images must be a whole number above 0, not ${count}.`);
  }
  if (!imageIds || imageIds.length === 0) {
    const rows = dataset.annotations.filter((row) => !mappings || mappings.has(row.imageId)).slice(0, count);
    if (rows.length > 0) return rows;
    throw new VillaError("Mismatch", mapping ? `${mapping} has no image of ${directory}.` : `${directory} is empty.`);
  }
  const byId = new Map(dataset.annotations.map((row) => [row.imageId, row]));
  return imageIds.map((id) => {
    const row = byId.get(id);
    if (!row) throw new VillaError("InvalidArgument", `${directory} has no image ${id}.`);
    if (mappings && !mappings.has(id)) throw new VillaError("InvalidArgument", `${mapping} has no image ${id}.`);
    return row;
  });
}

async function renderable(
  dataset: Dataset,
  row: ImageAnnotation,
  mapping: MappingAnnotation | undefined,
): Promise<RenderableSample> {
  const { width, height, data } = await dataset.readImage(row);
  return {
    id: row.imageId,
    width,
    height,
    image: data,
    text: row.text,
    regions: row.regionCoord.map((box, i) => ({
      box,
      attributes: row.regToAttr?.[i],
      assigned: mapping?.assignedAttributes[i],
    })),
  };
}

import { extname } from "node:path";
import { shrunk } from "@villa/command-kit";
import {
  checkArgument,
  encodePng,
  type ImageAnnotation,
  type MappingAnnotation,
  type RgbaImage,
  readMappings,
  regionMasks,
  VillaError,
} from "@villa/data";
import { atomicWriteFile, type Dataset, openDataset, readFileBytes, withPath } from "@villa/data/node";
import { montage, type RenderableSample } from "../render.ts";
import { visualizationPage } from "./visualization-page.ts";

/** What to draw. */
export interface VisualizeOptions {
  /** Dataset folder. */
  readonly dataDir: string;
  /** Images to draw; default the first `count`. */
  readonly imageIds?: readonly number[] | undefined;
  /** How many images to draw when none is named; default 9. */
  readonly count?: number | undefined;
  /** A `mapping_*.feather`: its assigned attributes are drawn instead of the true ones, right ones green. */
  readonly mapping?: string | undefined;
  /** Ends in .png or .html. */
  readonly out: string;
  /** Of a PNG: screen pixels per image pixel. Default: so that an image is about 480 pixels wide or high. */
  readonly scale?: number | undefined;
}

/**
 * Draws images of a dataset with their regions, texts and, if given, what a mapping assigned to the regions.
 *
 * @returns the ids of the images drawn
 * @throws VillaError `InvalidArgument`, `NotFound`, `InvalidFile`, `FileSystem`
 */
export async function visualizeDataset(options: VisualizeOptions): Promise<number[]> {
  checkArgument("options", options, {
    dataDir: "text",
    "imageIds?": "numbers",
    "count?": "count",
    "mapping?": "text",
    out: "text",
    "scale?": "number",
  });

  const type = extname(options.out).toLowerCase();
  if (type !== ".png" && type !== ".html") {
    throw new VillaError("InvalidArgument", `The output file must end in .png or .html, not "${options.out}".`);
  }
  const dataset = await openDataset(options.dataDir);
  const mappings = options.mapping === undefined ? undefined : await readMappingFile(options.mapping);
  const rows = chooseRows(dataset, mappings, options);
  const samples: RenderableSample[] = [];
  for (const row of rows) samples.push(await renderable(dataset, row, mappings?.get(row.imageId)));
  if (type === ".png") await atomicWriteFile(options.out, encodePng(drawn(samples, options.scale)));
  else await atomicWriteFile(options.out, visualizationPage(options.dataDir, samples));
  return rows.map((row) => row.imageId);
}

/** Pixels of an image in a PNG. */
const side = 480;

function drawn(samples: readonly RenderableSample[], scale: number | undefined): RgbaImage {
  if (scale !== undefined) return montage(samples, { scale });
  const fitted = samples.map((sample) => fittedTo(sample, side));
  const largest = Math.max(...fitted.map(({ width, height }) => Math.max(width, height)));
  return montage(fitted, { scale: Math.max(1, Math.min(8, Math.floor(side / largest))) });
}

/** A large image made smaller, with its boxes. */
function fittedTo(sample: RenderableSample, side: number): RenderableSample {
  const { width, height, image, regions } = sample;
  const { picture, factor } = shrunk({ width, height, channels: 3, data: image }, side);
  return {
    ...sample,
    width: picture.width,
    height: picture.height,
    image: picture.data,
    regions: regions.map(({ box: [x0, y0, x1, y1], ...region }) => ({
      ...region,
      box: [x0 / factor, y0 / factor, x1 / factor, y1 / factor],
    })),
  };
}

async function readMappingFile(path: string): Promise<Map<number, MappingAnnotation>> {
  const rows = await withPath(path, async () => readMappings(await readFileBytes(path)));
  return new Map(rows.map((row) => [row.imageId, row]));
}

function chooseRows(
  dataset: Dataset,
  mappings: ReadonlyMap<number, MappingAnnotation> | undefined,
  { imageIds, count = 9, dataDir, mapping }: VisualizeOptions,
): ImageAnnotation[] {
  if (!Number.isInteger(count) || count < 1) {
    throw new VillaError("InvalidArgument", `The number of images must be a whole number above 0, not ${count}.`);
  }
  if (!imageIds || imageIds.length === 0) {
    const rows = dataset.annotations.filter((row) => !mappings || mappings.has(row.imageId)).slice(0, count);
    if (rows.length > 0) return rows;
    throw new VillaError("Mismatch", mapping ? `${mapping} has no image of ${dataDir}.` : `${dataDir} is empty.`);
  }
  const byId = new Map(dataset.annotations.map((row) => [row.imageId, row]));
  return imageIds.map((id) => {
    const row = byId.get(id);
    if (!row) throw new VillaError("InvalidArgument", `${dataDir} has no image ${id}.`);
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
  const masks = regionMasks(row);
  return {
    id: row.imageId,
    width,
    height,
    image: data,
    text: row.text,
    regions: row.regionCoord.map((box, i) => ({
      box,
      mask: masks?.[i],
      attributes: row.regToAttr?.[i],
      assigned: mapping?.assignedAttributes[i],
      withoutTruth: dataset.vocabulary.withoutTruth,
    })),
  };
}

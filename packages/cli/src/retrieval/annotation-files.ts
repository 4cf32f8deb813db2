import { extname } from "node:path";
import { parseRleString, rleArea, VillaError } from "@villa/data";
import { atomicWriteFile } from "@villa/data/node";
import { type AnnotateOptions, type Annotating, openAnnotating, type RegionAnnotation } from "./annotate.ts";
import { correctionPage } from "./correction-page.ts";

/** How a file is written, by its ending: as pieces of text. */
type Format = (annotating: Annotating, options: { readonly pictures: number }) => AsyncIterable<string>;

const formats: Readonly<Record<string, Format>> = {
  /** A line per region. */
  ".jsonl": async function* ({ regions }) {
    for await (const region of regions()) yield `${JSON.stringify(region)}\n`;
  },
  /** A row per attribute, as a spreadsheet can sort and count them. */
  ".csv": async function* ({ regions }) {
    yield "image_id,source,split,region,x0,y0,x1,y1,attribute,score\n";
    for await (const { image_id, source = "", split, region, box, attributes } of regions()) {
      for (const { name, score } of attributes) {
        yield `${[image_id, source, split, region, ...box, name, score].map(csvCell).join(",")}\n`;
      }
    }
  },
  ".json": coco,
  ".html": correctionPage,
};

/**
 * COCO's instances, an annotation per region: its category is the best attribute, `attributes` are all of them. Files are
 * those of the dataset, whose pixels the boxes count.
 */
async function* coco({ rows, attributes, regions }: Annotating): AsyncGenerator<string> {
  const images = rows.map(({ imageId: id, imageFilepath: file_name, imageSize: [height, width], text: caption }) => ({
    id,
    file_name,
    width,
    height,
    caption,
  }));
  const byId = new Map(rows.map((row) => [row.imageId, row]));
  const categories = attributes.map((name, i) => ({ id: i + 1, name }));
  yield `{"images":${JSON.stringify(images)},\n"categories":${JSON.stringify(categories)},\n"annotations":[`;
  let id = 0;
  for await (const region of regions()) {
    const [first] = region.attributes;
    if (first === undefined) continue;
    const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = region.box;
    const [width, height] = [x1 - x0, y1 - y0];
    const { imageSize: size, regionMasks: masks } = byId.get(region.image_id)!;
    const counts = masks?.[region.region] ?? undefined;
    const mask = counts === undefined ? undefined : parseRleString(counts, { height: size[0], width: size[1] });
    yield `${id === 0 ? "" : ",\n"}${JSON.stringify({
      id: ++id,
      image_id: region.image_id,
      category_id: attributes.indexOf(first.name) + 1,
      bbox: [x0, y0, width, height],
      area: mask ? rleArea(mask) : width * height,
      iscrowd: 0,
      score: first.score,
      segmentation: counts === undefined ? undefined : { size, counts },
      attributes: region.attributes.map(({ name }) => name),
    })}`;
  }
  yield "]}\n";
}

/** Quoted where a comma, a quote or a line break would end it. */
function csvCell(value: string | number): string {
  const text = String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

/** @throws VillaError `InvalidArgument` for a file that {@link writeAnnotationFile} cannot write */
function formatOf(path: string): Format {
  const extension = extname(path).toLowerCase();
  if (Object.hasOwn(formats, extension)) return formats[extension]!;
  throw new VillaError(
    "InvalidArgument",
    `--out takes FILE.jsonl, FILE.csv, FILE.json (COCO) or FILE.html (a page for corrections), not "${path}".`,
  );
}

/**
 * Writes the best attributes of every region, in the format of the file's ending.
 *
 * @param options.pictures images on a page for corrections
 * @returns numbers of images, of regions, and of regions whose masks were not looked at
 * @throws VillaError `InvalidArgument` for another ending
 */
export async function writeAnnotationFile(
  options: AnnotateOptions & { readonly out: string; readonly pictures: number },
): Promise<{ images: number; regions: number; unusedMasks: number }> {
  const format = formatOf(options.out); // before anything is embedded
  const annotating = await openAnnotating(options);
  try {
    const images = new Set<number>();
    let count = 0;
    const regions = async function* (): AsyncGenerator<RegionAnnotation> {
      for await (const region of annotating.regions()) {
        yield region;
        images.add(region.image_id);
        count++;
      }
    };
    await atomicWriteFile(options.out, encoded(format({ ...annotating, regions }, options)));
    return { images: images.size, regions: count, unusedMasks: annotating.unusedMasks };
  } finally {
    annotating.dispose();
  }
}

/** Text in pieces of some size: a write for every line would be slow. */
async function* encoded(pieces: AsyncIterable<string>): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  let text = "";
  for await (const piece of pieces) {
    text += piece;
    if (text.length < 1 << 16) continue;
    yield encoder.encode(text);
    text = "";
  }
  yield encoder.encode(text);
}

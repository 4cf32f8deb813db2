import { decodeImage, type RgbImage } from "@villa/data";
import { encodePng } from "@villa/docmnist";
import { ingestFiles } from "@villa/ingest";
import { bytesOf, type Dataset } from "./dataset.ts";
import type { ReadingProgress } from "./protocol.ts";

/** Least milliseconds between two words about the progress. */
const reportEvery = 100;

/** How a table is read: every picture is looked at, which takes long where there are many. */
export interface TableReading {
  readonly listen?: ((progress: ReadingProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * A folder of pictures with a table of them, by the rules of `villa ingest`. A file `attributes.json` beside the table has
 * the words to look for in the texts.
 *
 * @param table path in `files`
 * @throws VillaError as `ingestFiles`
 */
export async function importTable(
  files: ReadonlyMap<string, Blob>,
  table: string,
  { listen, signal }: TableReading = {},
): Promise<Dataset> {
  let reported = performance.now();
  const folder = table.slice(0, table.lastIndexOf("/") + 1);
  const attributes = `${folder}attributes.json`;
  const { annotations, vocabulary } = await ingestFiles({
    table,
    files,
    attributes: files.has(attributes) ? attributes : undefined,
    decode,
    signal,
    onProgress({ done, total }) {
      if (total === undefined || performance.now() < reported + reportEvery) return;
      reported = performance.now();
      listen?.({ done, total });
    },
  });
  const pictures = annotations.map(({ imageFilepath }) => files.get(imageFilepath)!);
  const kinds = await Promise.all(pictures.map(kindOf));
  return {
    name: folder.split("/").at(-2) ?? table.replace(/^.*\/|\.\w+$/g, ""),
    vocabulary,
    // Two folders may have pictures of one name; a dataset has one folder of images.
    rows: annotations.map((row, i) => ({ ...row, imageFilepath: `images/${row.imageId}.${kinds[i] ?? "png"}` })),
    readImage: (row) => decode(pictures[row]!),
    imageFile: async (row) => (kinds[row] ? bytesOf(pictures[row]!) : encodePng(rgbaOf(await decode(pictures[row]!)))),
  };
}

/** What the packages decode to the same pixels in every browser; undefined for all else, transparent PNG included. */
async function kindOf(file: Blob): Promise<"png" | "jpg" | undefined> {
  const start = await bytesOf(file.slice(0, 26));
  if (start[0] === 0xff && start[1] === 0xd8) return "jpg";
  const isPng = start[0] === 0x89 && start[1] === 0x50;
  const hasAlpha = start[25] === 4 || start[25] === 6;
  return isPng && !hasAlpha ? "png" : undefined;
}

async function decode(file: Blob): Promise<RgbImage> {
  return (await kindOf(file)) ? decodeImage(await bytesOf(file)) : decodeByBrowser(file);
}

async function decodeByBrowser(file: Blob): Promise<RgbImage> {
  // As the packages do: pixels as they lie in the file, in which boxes count.
  const bitmap = await createImageBitmap(file, { imageOrientation: "none", colorSpaceConversion: "none" }).catch(() => {
    throw new Error("this browser cannot read it; convert it to PNG or JPEG");
  });
  const { width, height } = bitmap;
  const context = new OffscreenCanvas(width, height).getContext("2d")!;
  // Transparency becomes white, as on a page.
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  const rgba = context.getImageData(0, 0, width, height).data;
  const area = width * height;
  const data = new Uint8Array(3 * area);
  for (let c = 0; c < 3; c++) for (let i = 0; i < area; i++) data[c * area + i] = rgba[4 * i + c]!;
  return { width, height, channels: 3, data };
}

function rgbaOf({ width, height, data: planes }: RgbImage) {
  const area = width * height;
  const data = new Uint8Array(4 * area).fill(255);
  for (let c = 0; c < 3; c++) for (let i = 0; i < area; i++) data[4 * i + c] = planes[c * area + i]!;
  return { width, height, data };
}

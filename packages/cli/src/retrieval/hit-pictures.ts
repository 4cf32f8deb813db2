import { extname } from "node:path";
import { shrunk } from "@villa/command-kit";
import { type RgbImage, VillaError } from "@villa/data";
import { atomicWriteFile } from "@villa/data/node";
import { encodePng, montage, type RenderableSample } from "@villa/docmnist";
import { asProse, html, selfContainedPage } from "../report/html.ts";
import { pngUrl, thumbnail } from "../report/thumbnail.ts";
import type { QueryHit, QueryResult } from "./query.ts";

/** Pictures are drawn about this wide. */
const side = 240;

/** @throws VillaError `InvalidArgument` for a picture that {@link writeHits} could not write */
export function checkHitsPath(path: string): void {
  if ([".png", ".html"].includes(extname(path).toLowerCase())) return;
  throw new VillaError("InvalidArgument", `--out takes FILE.png or FILE.html, not "${path}".`);
}

/**
 * Draws the answers to a query, each image with its region: a montage as .png, or a page with texts as .html.
 *
 * @throws VillaError `InvalidArgument` for another extension, `FileSystem`
 */
export async function writeHits(path: string, question: string, { hits, pictures }: QueryResult): Promise<void> {
  checkHitsPath(path);
  if (extname(path).toLowerCase() === ".png") {
    const samples = hits.map((hit, i) => sampleOf(hit, pictures[i]!));
    const scale = Math.max(1, Math.min(8, Math.round(side / Math.max(1, ...samples.map((sample) => sample.width)))));
    return atomicWriteFile(path, encodePng(montage(samples, { scale })));
  }
  const figures = hits.map((hit, i) => {
    const source = pngUrl(thumbnail(pictures[i]!, [hit.box], side));
    return html`<figure><img src="${source}" alt="${title(hit)}"><figcaption><b>${title(hit)}</b><br>${asProse(hit.text ?? "")}</figcaption></figure>`;
  });
  const body = html`<h1>${question}</h1><div class="samples">${figures}</div>`;
  return atomicWriteFile(path, selfContainedPage(question, [body]));
}

/** "1. 0.734 photos/a.png" */
const title = ({ rank, score, source, imageId }: QueryHit): string =>
  `${rank}. ${score.toFixed(3)} ${source ?? `image ${imageId}`}`;

function sampleOf(hit: QueryHit, image: RgbImage): RenderableSample {
  const { picture, factor } = shrunk(image, side);
  const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = hit.box.map((edge) => edge / factor);
  const { width, height, data } = picture;
  return { width, height, image: data, regions: [{ box: [x0, y0, x1, y1], attributes: [] }], text: title(hit) };
}

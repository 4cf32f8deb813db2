import { extname } from "node:path";
import { html, regionFigure, selfContainedPage, shrunk } from "@villa/command-kit";
import { type Box, decodeRle, parseRleString, type RgbImage, VillaError } from "@villa/data";
import { atomicWriteFile } from "@villa/data/node";
import { encodePng, montage, type RenderableSample } from "@villa/docmnist";
import { faded } from "../report/thumbnail.ts";
import type { QueryHit, QueryResult } from "./query.ts";

/** Pictures of a PNG are drawn about this wide or high. */
const side = 480;

/** @throws VillaError `InvalidArgument` for a picture that {@link writeHits} could not write */
export function checkHitsPath(path: string): void {
  if ([".png", ".html"].includes(extname(path).toLowerCase())) return;
  throw new VillaError("InvalidArgument", `--out takes FILE.png or FILE.html, not "${path}".`);
}

/**
 * Draws the answers to a query, each picture once with all of its regions that are among them: a montage as .png, or a
 * page with texts as .html.
 *
 * @throws VillaError `InvalidArgument` for another extension, `FileSystem`
 */
export async function writeHits(
  path: string,
  { question, result }: { readonly question: string; readonly result: QueryResult },
): Promise<void> {
  checkHitsPath(path);
  const answers = byPicture(result);
  if (extname(path).toLowerCase() === ".png") {
    const samples = answers.map(sampleOf);
    const largest = Math.max(...samples.map(({ width, height }) => Math.max(width, height)));
    const scale = Math.max(1, Math.min(8, Math.floor(side / largest)));
    return atomicWriteFile(path, encodePng(montage(samples, { scale })));
  }
  const figures = answers.map(({ image, title, text, hits }) =>
    regionFigure({
      image,
      title,
      text,
      regions: hits.map(({ rank, box, score }) => ({
        box,
        label: String(rank),
        notes: [html`<span class="soft">${score.toFixed(3)}</span>`],
      })),
    }),
  );
  const hasMasks = result.hits.some(({ mask }) => mask !== undefined);
  const head = html`<h1>${question}</h1><p class="soft">Regions by rank, with their scores.${hasMasks ? " What lies outside of their masks is faded." : ""}</p>`;
  return atomicWriteFile(path, selfContainedPage(question, [head, html`<div class="pictures">${figures}</div>`]));
}

/** A picture with its regions that answer a query, best first. */
interface Answer {
  /** Where any of these regions has a mask, faded outside of all of them. */
  readonly image: RgbImage;
  readonly title: string;
  readonly text: string | undefined;
  readonly hits: QueryHit[];
}

/** In the order of their best regions. */
function byPicture({ hits, pictures }: QueryResult): Answer[] {
  const answers = new Map<number | string | undefined, Answer>();
  for (const [i, hit] of hits.entries()) {
    const { imageId, source, text } = hit;
    const key = imageId ?? source;
    const known = answers.get(key);
    if (known) known.hits.push(hit);
    else answers.set(key, { image: pictures[i]!, title: source ?? `image ${imageId}`, text, hits: [hit] });
  }
  return [...answers.values()].map((answer) => ({ ...answer, image: fadedOutside(answer) }));
}

/** The picture as it is where no region has a mask. A region without one is its box. */
function fadedOutside({ image, hits }: Answer): RgbImage {
  if (hits.every(({ mask }) => mask === undefined)) return image;
  const { width, height } = image;
  const inside = new Uint8Array(width * height);
  for (const { mask, box } of hits) {
    if (mask !== undefined) {
      for (const [i, value] of decodeRle(parseRleString(mask, image)).entries()) inside[i]! |= value;
      continue;
    }
    const [left, top, right, bottom] = box as unknown as Box;
    const [from, to] = [Math.max(0, Math.floor(left)), Math.min(width, Math.ceil(right))];
    for (let y = Math.max(0, Math.floor(top)); y < Math.min(height, Math.ceil(bottom)); y++) {
      inside.fill(1, y * width + from, y * width + to);
    }
  }
  return faded(image, inside);
}

function sampleOf({ image, title, hits }: Answer): RenderableSample {
  const { picture, factor } = shrunk(image, side);
  const { width, height, data } = picture;
  return {
    width,
    height,
    image: data,
    text: title,
    regions: hits.map(({ rank, score, box }) => ({
      box: box.map((edge) => edge / factor) as unknown as Box,
      label: String(rank),
      attributes: [score.toFixed(3)],
    })),
  };
}

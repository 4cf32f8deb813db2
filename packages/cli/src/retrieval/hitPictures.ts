import { extname } from "node:path";
import { VillaError } from "@villa/data";
import { atomicWriteFile } from "@villa/data/node";
import { encodePng, montage, type RenderableSample, renderSample } from "@villa/docmnist";
import { html, trusted } from "../report/markup.ts";
import { style } from "../report/style.ts";
import type { QueryHit, QueryResult } from "./query.ts";

/** Pictures are drawn about this wide. */
const width = 240;

/**
 * Draws the answers to a query, each image with its region: a montage as .png, or a page with texts as .html.
 *
 * @throws VillaError `InvalidArgument` for another extension, `FileSystem`
 */
export async function writeHits(path: string, question: string, { hits, pictures }: QueryResult): Promise<void> {
  const samples = hits.map((hit, i): RenderableSample => {
    const { width: w, height: h, data } = pictures[i]!;
    return { width: w, height: h, image: data, regions: [{ box: asBox(hit.box), attributes: [] }], text: title(hit) };
  });
  const type = extname(path).toLowerCase();
  const scale = Math.max(1, Math.min(8, Math.round(width / Math.max(1, ...samples.map((sample) => sample.width)))));
  if (type === ".png") return atomicWriteFile(path, encodePng(montage(samples, { scale })));
  if (type !== ".html") throw new VillaError("InvalidArgument", `--out ends in .png or .html, not as "${path}" does.`);
  const figures = samples.map((sample, i) => {
    const png = encodePng(renderSample(sample, { scale, captions: false }));
    const source = `data:image/png;base64,${Buffer.from(png).toString("base64")}`;
    const { text = "" } = hits[i]!;
    return html`<figure><img src="${source}" alt="${title(hits[i]!)}"><figcaption><b>${title(hits[i]!)}</b><br>${text}</figcaption></figure>`;
  });
  const page = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>${question}</title><style>${trusted(style)}</style></head>
<body><main><h1>${question}</h1><div class="samples">${figures}</div></main></body></html>
`;
  return atomicWriteFile(path, page.html);
}

/** "1. 0.734 photos/a.png" */
const title = ({ rank, score, source, imageId }: QueryHit): string =>
  `${rank}. ${score.toFixed(3)} ${source ?? `image ${imageId}`}`;

function asBox(box: readonly number[]): [number, number, number, number] {
  const [x0 = 0, y0 = 0, x1 = 0, y1 = 0] = box;
  return [x0, y0, x1, y1];
}

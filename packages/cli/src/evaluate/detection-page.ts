import { parseSegmentation, type RgbImage, type Rle, resizeRle } from "@villa/data";
import type { Box, CocoDataset, CocoDetection, DetectionMistake, MistakeKind } from "@villa/metrics";
import { lineChart, type SeriesColor } from "../report/charts.ts";
import { dataTable, html, type Markup, trusted } from "../report/html.ts";
import { cropOf, cropped, croppedMask, pngUrl, thumbnail } from "../report/thumbnail.ts";
import type { MeasuredDetections } from "./detection-measure.ts";
import { fraction } from "./page.ts";
import type { Picture, PictureSource } from "./pictures.ts";
import { within } from "./proposals.ts";

/** What the page of detections shows. */
export interface DetectionPage {
  readonly truth: CocoDataset;
  readonly detections: readonly CocoDetection[];
  readonly evaluation: MeasuredDetections["evaluation"];
  readonly mistakes: readonly DetectionMistake[];
  /** Kinds of mistakes in words. */
  readonly kindNames: Readonly<Record<MistakeKind, string>>;
  readonly pictures?: PictureSource | undefined;
}

/** Pictures of each kind of mistake. */
const shownPerKind = 8;
/** About so wide, in pixels. */
const pictureSide = 240;

/** Precision-recall curves, the categories, the worst mistakes. */
export async function detectionSections(page: DetectionPage): Promise<Markup[]> {
  return [curveSection(page.evaluation), categorySection(page), await mistakeSection(page)];
}

/** Thresholds whose curves are drawn. */
const drawn: readonly { readonly threshold: number; readonly color: SeriesColor; readonly dashed?: boolean }[] = [
  { threshold: 0.5, color: "var(--mapped)" },
  { threshold: 0.75, color: "var(--image)" },
  { threshold: 0.9, color: "var(--plain)" },
];

function curveSection({ curves }: MeasuredDetections["evaluation"]): Markup {
  const [, R, K, A, M] = curves.shape;
  const series = drawn.flatMap(({ threshold, color }) => {
    const t = curves.thresholds.findIndex((each) => Math.abs(each - threshold) < 1e-9);
    const points = curves.recallLevels.map((recall, r): readonly [number, number] => {
      let sum = 0;
      let known = 0;
      for (let k = 0; k < K; k++) {
        const precision = curves.precision[(((t * R + r) * K + k) * A + 0) * M + M - 1]!; // all sizes, most detections
        if (precision < 0) continue;
        sum += precision;
        known++;
      }
      return [recall, known === 0 ? 0 : sum / known];
    });
    return t < 0 ? [] : [{ name: `IoU ${threshold}`, color, points }];
  });
  const chart = lineChart({
    description: "Precision against recall, the mean over the categories",
    x: "recall",
    y: "precision",
    series,
    domain: [0, 1],
  });
  return html`<section><h2>Precision and recall</h2>
<p class="soft">The mean over the categories of the highest precision at each recall or above, as AP averages it: the area under the curve at an overlap is AP at that overlap.</p>
<div class="card" style="max-width:620px"><div class="legend">${series.map(({ name, color }) => html`<span><i style="border-color:${color}"></i>${name}</span>`)}</div>${trusted(chart)}</div></section>`;
}

function categorySection({ evaluation, truth, detections }: DetectionPage): Markup {
  const objects = countBy(truth.annotations.map(({ category_id }) => category_id));
  const found = countBy(detections.map(({ category_id }) => category_id));
  const names = ["AP", "AP50", "AP75", "APs", "APm", "APl"] as const;
  const rows = [...evaluation.perCategory]
    .sort((a, b) => a.numbers.AP - b.numbers.AP)
    .map(({ id, name, numbers }) => [
      name,
      objects.get(id) ?? 0,
      found.get(id) ?? 0,
      ...names.map((key) => fraction(numbers[key])),
    ]);
  return html`<section><h2>Each category</h2><p class="soft">The worst first; −1 where there is nothing to find.</p>${dataTable(["", "objects", "detections", ...names], rows)}</section>`;
}

function countBy(ids: readonly number[]): Map<number, number> {
  const counts = new Map<number, number>();
  for (const id of ids) counts.set(id, (counts.get(id) ?? 0) + 1);
  return counts;
}

async function mistakeSection(page: DetectionPage): Promise<Markup> {
  const { kindNames } = page;
  const kinds = Object.keys(kindNames) as MistakeKind[];
  const counts = new Map(kinds.map((kind) => [kind, page.mistakes.filter((mistake) => mistake.kind === kind)]));
  const shown: Markup[] = [];
  for (const kind of kinds) {
    const own = counts.get(kind)!;
    if (own.length === 0) continue;
    const worst = own.slice(0, shownPerKind);
    const figures: Markup[] = [];
    for (const mistake of worst) figures.push(await figure(page, mistake));
    shown.push(
      html`<h3>${capital(kindNames[kind])} <span class="soft">· ${own.length.toLocaleString("en")}</span></h3>${
        page.pictures ? html`<div class="regions">${figures}</div>` : html`<ul>${figures}</ul>`
      }`,
    );
  }
  const pictures = page.pictures
    ? "Detections are framed in orange, objects in blue, over them where both are in one place; masks are tinted."
    : "Give --images FOLDER to see them in pictures.";
  return html`<section><h2>The worst mistakes</h2><p class="soft">At an overlap of 0.5, the most confident first, whatever the score that a user would cut at. ${pictures}</p>
${dataTable(
  ["", "number"],
  kinds.map((kind) => [kindNames[kind], counts.get(kind)!.length.toLocaleString("en")]),
)}
${shown}</section>`;
}

async function figure(page: DetectionPage, mistake: DetectionMistake): Promise<Markup> {
  const { truth, detections, evaluation, pictures } = page;
  const name = (id: number) => truth.categories.find((category) => category.id === id)?.name ?? String(id);
  const detection = mistake.detection === undefined ? undefined : detections[mistake.detection];
  const object = mistake.annotation === undefined ? undefined : truth.annotations[mistake.annotation];
  const words = [
    detection ? `${name(detection.category_id)} ${detection.score.toFixed(2)}` : undefined,
    object ? `truly ${name(object.category_id)}` : undefined,
    mistake.iou > 0 ? `IoU ${mistake.iou.toFixed(2)}` : undefined,
    `image ${mistake.imageId}`,
  ].filter((each) => each !== undefined);
  const caption = words.join(" · ");
  const found = await pictures?.(mistake.imageId);
  if (!pictures) return html`<li>${caption}</li>`;
  if (!found) return html`<figure><figcaption>${caption} (no picture)</figcaption></figure>`;
  const objectBox = mistake.annotation === undefined ? undefined : boxAt(evaluation.truthBoxes, mistake.annotation);
  const detectionBox = mistake.detection === undefined ? objectBox : boxAt(evaluation.boxes, mistake.detection);
  // Colours go by the place in this list: a missed object stands at both, and its second box covers the first.
  const boxes = [detectionBox, objectBox].flatMap((box) => (box ? [within(found.place(box), found.image)] : []));
  const { picture, moved, cut } = around(found.image, boxes);
  const size = truth.images.find(({ id }) => id === mistake.imageId);
  const masks = [
    ...(detectionBox ? [maskIn(found, detection?.segmentation, size)] : []),
    ...(objectBox ? [maskIn(found, object?.segmentation, size)] : []),
  ].map((mask) => mask && cut(mask));
  return html`<figure><img src="${pngUrl(thumbnail(picture, { boxes: moved, side: pictureSide, masks }))}" alt="${caption}"><figcaption>${caption}</figcaption></figure>`;
}

/** A mask in the pixels of a picture; null where there is none, or none that could be drawn. */
function maskIn(
  { image, isTurned }: Picture,
  segmentation: CocoDetection["segmentation"],
  size: CocoDataset["images"][number] | undefined,
): Rle | null {
  const { width, height } = size ?? {};
  if (segmentation == null || isTurned || width == null || height == null) return null;
  try {
    return resizeRle(parseSegmentation(segmentation, { width, height }), image);
  } catch {
    return null; // not checked where only boxes are compared
  }
}

/** The corners of a box. */
function boxAt(boxes: Float64Array, i: number): Box {
  const [x, y, width, height] = boxes.subarray(4 * i, 4 * i + 4) as unknown as [number, number, number, number];
  return [x, y, x + width, y + height];
}

/** The part of the image around the boxes, with about as much room again on each side. */
function around(
  image: RgbImage,
  boxes: readonly (readonly number[])[],
): { picture: RgbImage; moved: number[][]; cut: (mask: Rle) => Rle } {
  const left = Math.min(...boxes.map((box) => box[0]!));
  const top = Math.min(...boxes.map((box) => box[1]!));
  const right = Math.max(...boxes.map((box) => box[2]!));
  const bottom = Math.max(...boxes.map((box) => box[3]!));
  const margin = Math.ceil(0.75 * Math.max(right - left, bottom - top, 8));
  const whole = [left, top, right, bottom];
  const { x0, y0 } = cropOf(image, { box: whole, margin });
  return {
    picture: cropped(image, { box: whole, margin }),
    moved: boxes.map((box) => [box[0]! - x0, box[1]! - y0, box[2]! - x0, box[3]! - y0]),
    cut: (mask) => croppedMask(mask, { box: whole, margin }),
  };
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);

import {
  assignmentChips,
  assignmentLegend,
  html,
  type Markup,
  regionFigure,
  selfContainedPage,
} from "@villa/command-kit";
import type { RenderableRegion, RenderableSample } from "../render.ts";

/** A self-contained HTML page: each image with its text and its regions, and what a mapping gave them. */
export function visualizationPage(title: string, samples: readonly RenderableSample[]): string {
  const regions = samples.flatMap((sample) => sample.regions);
  const isMapped = regions.some(({ assigned }) => assigned !== undefined);
  return selfContainedPage(title, [
    html`<h1>${title}</h1>${isMapped ? assignmentLegend(regions) : ""}`,
    html`<div class="pictures">${samples.map((sample) => figure(sample, isMapped))}</div>`,
  ]);
}

function figure({ id, width, height, image, text, regions }: RenderableSample, isMapped: boolean): Markup {
  return regionFigure({
    image: { width, height, channels: 3, data: image },
    title: id === undefined ? "image" : `image ${id}`,
    text,
    regions: regions.map((region, i) => ({
      box: region.box,
      mask: region.mask,
      label: String(i + 1),
      notes: isMapped ? assignmentChips(region) : trueChips(region),
    })),
  });
}

function trueChips({ attributes }: RenderableRegion): Markup[] {
  if (attributes === undefined) return [html`<span class="soft">not known</span>`];
  if (attributes.length === 0) return [html`<span class="soft">none</span>`];
  return attributes.map((name) => html`<span class="chip unknown">${name}</span>`);
}

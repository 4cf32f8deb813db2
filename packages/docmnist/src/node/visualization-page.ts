import { type RenderableRegion, type RenderableSample, verdict } from "../render.ts";

/**
 * A self-contained HTML page: each image beside its text and its regions.
 *
 * @param pictures PNG files, one per sample
 */
export function visualizationPage(
  title: string,
  samples: readonly RenderableSample[],
  pictures: readonly Uint8Array[],
): string {
  const sections = samples.map((sample, i) => section(sample, pictures[i]!));
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escapeHtml(title)}</title>
<style>
  :root { color-scheme: light dark; --line: #ddd; --right: #0a7d33; --wrong: #c0261c; --missed: #777 }
  @media (prefers-color-scheme: dark) { :root { --line: #3a3d44; --right: #6fd39b; --wrong: #ff8d84; --missed: #9a9fa8 } }
  body { font: 15px/1.45 system-ui, sans-serif; margin: 2rem auto; max-width: 64rem; padding: 0 1rem; overflow-wrap: break-word }
  h1 { font-size: clamp(1.3rem, 4vw, 2rem) }
  section { display: flex; gap: 1.5rem; margin: 2rem 0; flex-wrap: wrap }
  section > div { flex: 1; min-width: min(20rem, 100%) }
  img { image-rendering: pixelated; align-self: flex-start; max-width: 100% }
  table { border-collapse: collapse; width: 100% }
  th, td { text-align: left; padding: .2rem .6rem .2rem 0; border-bottom: 1px solid var(--line); vertical-align: top }
  .right { color: var(--right) } .wrong { color: var(--wrong); text-decoration: line-through } .missed { color: var(--missed) }
</style>
<h1>${escapeHtml(title)}</h1>
${legend(samples)}${sections.join("\n")}
</html>
`;
}

/** What the colours mean, where there are any; without truth nothing is right or wrong. */
function legend(samples: readonly RenderableSample[]): string {
  const mapped = samples.flatMap(({ regions }) => regions).filter(({ assigned }) => assigned !== undefined);
  if (mapped.length === 0) return "";
  if (mapped.every(({ attributes }) => attributes === undefined)) {
    return "<p>The true attributes of these regions are not known, so nothing is judged.</p>\n";
  }
  return `<p><span class="right">right</span> · <span class="wrong">not there</span> · <span class="missed">(missed)</span></p>\n`;
}

function section(sample: RenderableSample, picture: Uint8Array): string {
  const source = `data:image/png;base64,${Buffer.from(picture).toString("base64")}`;
  const isMapped = sample.regions.some((region) => region.assigned);
  const rows = sample.regions.map((region) => {
    const { box, attributes } = region;
    const truth = attributes?.map(escapeHtml).join(", ") || (attributes ? "none" : "not known");
    return `<tr><td>[${box.join(", ")}]<td>${truth}${isMapped ? `<td>${assignment(region)}` : ""}`;
  });
  return `<section>
<img src="${source}" alt="image ${sample.id}">
<div><h2>Image ${sample.id}</h2>
<p>${escapeHtml(sample.text)}</p>
<table><tr><th>region<th>attributes${isMapped ? "<th>assigned" : ""}
${rows.join("\n")}
</table></div>
</section>`;
}

function assignment(region: RenderableRegion): string {
  const { attributes = [], assigned = [] } = region;
  const given = assigned.map((name) => `<span class="${verdict(name, region)}">${escapeHtml(name)}</span>`);
  const missed = attributes.filter((name) => !assigned.includes(name));
  const gaps = missed.map((name) => `<span class="missed" title="not assigned">(${escapeHtml(name)})</span>`);
  return [...given, ...gaps].join(", ");
}

function escapeHtml(text: string): string {
  const names: Record<string, string> = { "&": "amp", "<": "lt", ">": "gt", '"': "quot" };
  return text.replace(/[&<>"]/g, (character) => `&${names[character]};`);
}

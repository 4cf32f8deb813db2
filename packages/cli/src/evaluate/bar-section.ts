import { barCharts } from "../report/charts.ts";
import { html, type Markup, trusted } from "../report/html.ts";

/** Fractions as bars, one a name. */
export function barSection(title: string, rows: readonly { readonly name: string; readonly value: number }[]): Markup {
  const bars = rows.map(({ name, value }) => ({
    label: name,
    bars: [{ value: Number.isFinite(value) ? value : 0, color: "var(--mapped)" as const }],
  }));
  if (bars.length === 0) return html``;
  return html`<section><h2>${title} (%)</h2><div class="two">${barCharts(title, bars).map((chart) => html`<div class="card">${trusted(chart)}</div>`)}</div></section>`;
}

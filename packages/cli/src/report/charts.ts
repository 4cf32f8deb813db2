import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";

/** Names of the colours that style.ts defines for light and dark. */
export type SeriesColor = "var(--mapped)" | "var(--image)" | "var(--plain)" | "var(--right)" | "var(--wrong)";

export interface Series {
  readonly name: string;
  readonly color: SeriesColor;
  readonly dashed?: boolean;
  /** [x, y] */
  readonly points: readonly (readonly [number, number])[];
}

export interface LineChart {
  /** For those who do not see the picture. */
  readonly description: string;
  readonly x: string;
  readonly y: string;
  readonly series: readonly Series[];
  /** A vertical line with words on it. */
  readonly mark?: { readonly x: number; readonly text: string } | undefined;
  /** Whole numbers on x. */
  readonly whole?: boolean;
  /** Start y at 0 … end there. */
  readonly domain?: readonly [number, number];
}

const width = 460;
const fontSize = "12px";

/** Lines over a numeric axis, as an `<svg>` that scales with its container. */
export function lineChart({ description, x, y, series, mark, whole, domain }: LineChart): string {
  const rows = series.flatMap(({ points, name }) => points.map(([px, py]) => ({ px, py, name })));
  const xs = rows.map(({ px }) => px);
  const [low, high] = [Math.min(...xs), Math.max(...xs)];
  const ticks = whole ? { ticks: wholeTicks(low, high), tickFormat: "d" } : {};
  return drawn(description, {
    height: 270,
    marginLeft: 48,
    marginBottom: 42,
    marginRight: 16,
    x: {
      label: x,
      labelArrow: "none",
      labelAnchor: "right",
      domain: low < high ? [low, high] : [low, low + 1],
      ...ticks,
    },
    y: { label: y, labelArrow: "none", grid: true, nice: true, ticks: 5, ...yDomain(rows, domain) },
    marks: [
      ...(mark
        ? [
            Plot.ruleX([mark.x], { stroke: "currentColor", strokeOpacity: 0.5, strokeDasharray: "2 3" }),
            Plot.text([mark], {
              x: "x",
              text: "text",
              frameAnchor: "bottom", // where curves of percentages rarely are
              dy: -6,
              dx: mark.x > (low + high) / 2 ? -6 : 6,
              textAnchor: mark.x > (low + high) / 2 ? "end" : "start",
            }),
          ]
        : []),
      ...series.map(({ points, color, dashed }) =>
        Plot.line(points, {
          x: "0",
          y: "1",
          stroke: color,
          strokeWidth: 2,
          strokeDasharray: dashed ? "5 4" : "none",
        }),
      ),
      ...series
        .filter(({ points, dashed }) => !dashed && points.length <= 20)
        .map(({ points, color }) => Plot.dot(points, { x: "0", y: "1", fill: color, r: 2.5 })),
    ],
  });
}

/** One value alone needs room around it. */
function yDomain(rows: readonly { readonly py: number }[], domain?: readonly [number, number]) {
  const [low, high] = domain ?? [Math.min(...rows.map(({ py }) => py)), Math.max(...rows.map(({ py }) => py))];
  if (low === high) return { domain: [low - 0.5, high + 0.5] };
  return domain ? { domain: [...domain] } : {};
}

export interface BarRow {
  readonly label: string;
  /** Values in 0 … 1. */
  readonly bars: readonly { readonly value: number; readonly color: SeriesColor }[];
}

/** Horizontal bars of fractions, shown in percent, one row a label, with the values written at their ends. */
export function barChart(description: string, rows: readonly BarRow[]): string {
  const perRow = Math.max(...rows.map(({ bars }) => bars.length));
  const bars = rows.flatMap(({ label, bars: own }) =>
    own.map(({ value, color }, i) => ({ label, value: 100 * value, color, order: i, text: rounded(100 * value) })),
  );
  const step = perRow > 1 ? 15 : 20;
  const [barX, textX] = [
    { x: "value", y: "order", fy: "label" },
    { x: "value", y: "order", fy: "label", text: "text" },
  ];
  return drawn(description, {
    height: rows.length * (perRow * step + (perRow > 1 ? 8 : 2)) + 34,
    marginLeft: Math.max(84, ...rows.map(({ label }) => 12 + 6.2 * shortened(label).length)),
    marginRight: 30,
    marginTop: 6,
    marginBottom: 28,
    x: { domain: [0, 100], label: null, ticks: [0, 25, 50, 75, 100], grid: true, tickFormat: (d: number) => `${d} %` },
    y: { axis: null, padding: 0.12, domain: Array.from({ length: perRow }, (_, i) => i) },
    fy: {
      label: null,
      domain: rows.map(({ label }) => label),
      tickFormat: shortened,
      padding: perRow > 1 ? 0.16 : 0.06,
      axis: "left",
    },
    marks: [
      Plot.barX(bars, { ...barX, fill: (bar: { color: string }) => bar.color, rx: 1.5 }),
      Plot.text(bars, { ...textX, textAnchor: "start", dx: 4, fontSize: 11 }),
    ],
    color: { type: "identity" },
  });
}

/** Labels share the width with the bars. */
const shortened = (label: string): string => (label.length > 28 ? `${label.slice(0, 27)}…` : label);

/** A rare case must not be shown as 0. */
function rounded(value: number): string {
  if (value === 0 || value >= 1) return value.toFixed(0);
  return value < 0.05 ? "<0.1" : value.toFixed(1);
}

/** {@link barChart} of many rows as two charts, to stand side by side. */
export function barCharts(description: string, rows: readonly BarRow[]): string[] {
  const half = Math.ceil(rows.length / 2);
  const parts = rows.length > 6 ? [rows.slice(0, half), rows.slice(half)] : [rows];
  return parts.map((part) => barChart(`${description}: ${part.map(({ label }) => label).join(", ")}`, part));
}

export interface Heatmap {
  readonly x: string;
  readonly y: string;
  /** Of rows and columns alike. */
  readonly names: readonly string[];
  /** [row][column], 0 … 1 */
  readonly shares: readonly (readonly number[])[];
}

/** A square of cells, the fuller the darker, with percentages in those that are not nearly empty. */
export function heatmap(description: string, { x, y, names, shares }: Heatmap): string {
  const cells = shares.flatMap((row, r) =>
    row.map((share, c) => ({ row: names[r]!, column: names[c]!, share, text: (100 * share).toFixed(0) })),
  );
  const place = { x: "column", y: "row" };
  return drawn(description, {
    width: 720,
    height: 720,
    marginLeft: 84,
    marginBottom: 84,
    marginTop: 8,
    marginRight: 8,
    x: { label: x, domain: [...names], tickRotate: -60, tickSize: 0, labelArrow: "none" },
    y: { label: y, domain: [...names], tickSize: 0, labelArrow: "none" },
    marks: [
      Plot.cell(cells, { ...place, fill: "var(--mapped)", fillOpacity: "share", inset: 0.5 }),
      Plot.text(
        cells.filter(({ share }) => share >= 0.05),
        {
          ...place,
          text: "text",
          fontSize: 10,
          fill: ({ share }: { share: number }) => (share > 0.5 ? "var(--paper)" : "currentColor"),
        },
      ),
    ],
    opacity: { domain: [0, 1], range: [0.04, 0.85] },
  });
}

function drawn(description: string, options: Plot.PlotOptions): string {
  const { document } = parseHTML("<!doctype html><html><body></body></html>");
  const svg = Plot.plot({
    width,
    ...options,
    document: document as unknown as Document,
    style: { fontSize, background: "none", color: "inherit", fontFamily: "inherit", overflow: "visible" },
  });
  for (const style of svg.querySelectorAll("style")) style.remove(); // the page has its own
  // Plot labels groups of marks; a label is allowed only on elements with a role, and the picture has its own.
  for (const group of svg.querySelectorAll("g[aria-label]")) group.removeAttribute("aria-label");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", description);
  return svg.outerHTML;
}

/** At most ten whole numbers from low to high. */
function wholeTicks(low: number, high: number): number[] {
  const step = Math.max(1, Math.ceil((high - low) / 9));
  const ticks: number[] = [];
  for (let tick = Math.ceil(low); tick <= high; tick += step) ticks.push(tick);
  return ticks;
}

import * as Plot from "@observablehq/plot";
import type { ChartData, LossChartData, SweepChartData, TowersChartData } from "./chart-data.ts";

/** Draws a chart; colours come from the style sheet, so that they follow light and dark. */
export function drawChart(data: ChartData, width: number): Element {
  switch (data.kind) {
    case "loss":
      return lossChart(data, width);
    case "sweep":
      return sweepChart(data, width);
    case "towers":
      return towersChart(data, width);
  }
}

interface Point {
  readonly x: number;
  readonly y: number;
  readonly series: string;
}

function lossChart({ epochs }: LossChartData, width: number): Element {
  const points = epochs.flatMap(({ epoch, loss, validation }): Point[] => [
    { x: epoch, y: loss, series: "train" },
    ...(validation ? [{ x: epoch, y: validation.loss, series: "val" }] : []),
  ]);
  const last = Math.max(2, epochs.length);
  return lines(points, {
    width,
    x: { label: "epoch", domain: [1, last], ticks: Math.min(last - 1, 8), tickFormat: "d" },
    y: { label: "loss", domain: [0, Math.max(...points.map(({ y }) => y))] },
    colors: { train: "var(--accent)", val: "var(--second)" },
    marks: [],
  });
}

function sweepChart({ sweep, epsilon, baseline }: SweepChartData, width: number): Element {
  const points = sweep.flatMap((each): Point[] =>
    Object.entries({ precision: each.precision, recall: each.recall, F1: each.f1 }).map(([series, y]) => ({
      x: each.epsilon,
      y,
      series,
    })),
  );
  return lines(points, {
    width,
    x: { label: "ε", domain: [0, 1] },
    y: { label: "%", percent: true, domain: [0, 100] },
    colors: { precision: "var(--accent)", recall: "var(--second)", F1: "var(--third)" },
    marks: [
      Plot.ruleX([epsilon], { stroke: "currentColor", strokeDasharray: "3 3" }),
      // What is reached without learning anything.
      ...(baseline === undefined ? [] : [Plot.ruleY([baseline], { stroke: "var(--third)", strokeDasharray: "4 4" })]),
    ],
    dashed:
      baseline === undefined
        ? {}
        : { [`F1 of giving everything to every region: ${(100 * baseline).toFixed(0)} %`]: "var(--third)" },
  });
}

/** What each kind of tower learns from. */
const towerNames = { image: "whole images", mapping: "mapped regions" } as const;
const towerColors = { "whole images": "var(--second)", "mapped regions": "var(--accent)" } as const;

/** Retrieval against complexity; bars where the data have one complexity only. */
function towersChart({ points }: TowersChartData, width: number): Element {
  const most = Math.max(...points.map(({ regionToText }) => regionToText));
  const domain = [0, Math.min(100, Math.ceil(10 * most + 0.2) * 10)];
  if (points.every(({ target }) => target === undefined)) return towerBars({ points }, { width, domain });
  const places = points.map(({ complexity }) => complexity!);
  return lines(
    points.map(({ pairs, complexity, regionToText: y }) => ({ x: complexity!, y, series: towerNames[pairs] })),
    {
      width,
      x: { label: "complexity: pairs of an image", domain: [0, Math.max(25, ...places)], ticks: 6 },
      y: { label: "% of the attributes of a region found", percent: true, domain },
      colors: towerColors,
      marks: [],
    },
  );
}

function towerBars(
  { points }: Pick<TowersChartData, "points">,
  { width, domain }: { readonly width: number; readonly domain: readonly number[] },
): Element {
  const bars = points.map(({ pairs, regionToText }) => ({ name: towerNames[pairs], value: 100 * regionToText }));
  return Plot.plot({
    width,
    height: 130,
    marginLeft: 110,
    marginBottom: 36,
    style: { background: "none", fontSize: "12px", overflow: "visible" },
    x: { label: "% of the attributes of a region found", labelArrow: "none", domain, grid: true },
    y: { label: null, domain: Object.values(towerNames) },
    color: { domain: Object.keys(towerColors), range: Object.values(towerColors) },
    marks: [Plot.barX(bars, { x: "value", y: "name", fill: "name" }), Plot.ruleX([0])],
  });
}

interface LinesOptions {
  readonly width: number;
  readonly x: Plot.ScaleOptions;
  readonly y: Plot.ScaleOptions;
  readonly colors: Readonly<Record<string, string>>;
  readonly marks: Plot.Markish[];
  /** Names and colours of the dashed lines among the marks. */
  readonly dashed?: Readonly<Record<string, string>> | undefined;
}

function lines(points: readonly Point[], { width, x, y, colors, marks, dashed = {} }: LinesOptions): Element {
  const names = Object.keys(colors).filter((name) => points.some(({ series }) => series === name));
  const chart = Plot.plot({
    width,
    height: 240,
    marginLeft: 40,
    marginBottom: 36,
    style: { background: "none", fontSize: "12px", overflow: "visible" },
    x: { labelAnchor: "right", labelArrow: "none", ...x },
    y: { labelArrow: "none", grid: true, ticks: 5, ...y },
    color: { domain: names, range: names.map((name) => colors[name]!) },
    marks: [
      ...marks,
      Plot.line(points, { x: "x", y: "y", z: "series", stroke: "series", strokeWidth: 2 }),
      ...(points.length <= 30 ? [Plot.dot(points, { x: "x", y: "y", fill: "series", r: 3 })] : []),
    ],
  });
  const whole = document.createElement("div");
  whole.append(
    legendOf([
      ...names.map((name) => ({ name, color: colors[name]! })),
      ...Object.entries(dashed).map(([name, color]) => ({ name, color, isDashed: true })),
    ]),
    chart,
  );
  return whole;
}

/** Above the chart, as in the reports: within it, words would cover lines. */
function legendOf(
  entries: readonly { readonly name: string; readonly color: string; readonly isDashed?: boolean }[],
): Element {
  const legend = document.createElement("p");
  legend.className = "legend";
  for (const { name, color, isDashed } of entries) {
    const line = document.createElement("i");
    line.className = isDashed ? "dashed" : "";
    line.style.color = color;
    const entry = document.createElement("span");
    entry.append(line, name);
    legend.append(entry);
  }
  return legend;
}

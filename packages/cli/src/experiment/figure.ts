import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import { type CellResult, type Experiment, summarize } from "./protocol.ts";

/** How a mode is called and drawn. */
const modes = {
  image: { name: "whole images (one-to-one)", color: "#b45309", symbol: "square" },
  mapping: { name: "mapped regions (ViLLA)", color: "#1d4ed8", symbol: "circle" },
  oracle: { name: "true regions (oracle)", color: "#64748b", symbol: "triangle" },
} as const;

/**
 * An experiment's numbers against sample complexity, one panel for each: a line through the means over seeds, bars of one
 * standard deviation, and a faint dot for each run.
 *
 * @returns an SVG document
 */
export function experimentFigure({ unit, measures }: Experiment, cells: readonly CellResult[]): string {
  const means = summarize(cells).flatMap(({ averageComplexity, modes: own }) =>
    own.flatMap(({ pairs, numbers }) =>
      measures.map(({ key, title }) => {
        const { mean, deviation } = numbers[key]!;
        const [low, high] = [100 * (mean - deviation), 100 * (mean + deviation)];
        return { x: averageComplexity, y: 100 * mean, low, high, mode: modes[pairs].name, panel: title };
      }),
    ),
  );
  const runs = cells.flatMap(({ averageComplexity, models }) =>
    models.flatMap(({ pairs, numbers }) =>
      measures.map(({ key, title }) => ({
        x: averageComplexity,
        y: 100 * numbers[key]!,
        mode: modes[pairs].name,
        panel: title,
      })),
    ),
  );
  const channels = { x: "x", y: "y", fx: "panel", stroke: "mode", z: "mode" };
  const { document } = parseHTML("<!doctype html><html><body></body></html>");
  const plot = Plot.plot({
    document: document as unknown as Document,
    width: 1090,
    height: 400,
    marginLeft: 50,
    marginRight: 220,
    marginBottom: 45,
    marginTop: 50,
    style: { fontSize: "13px", background: "white", color: "#111", fontFamily: "system-ui, sans-serif" },
    x: { label: "average attributes of an image", labelArrow: "none", labelAnchor: "center", nice: true, inset: 8 },
    y: { label: `${unit}, %`, labelArrow: "none", grid: true, nice: true, ticks: 6 },
    fx: { label: null, domain: measures.map(({ title }) => title), padding: 0.08 },
    color: {
      domain: Object.values(modes).map(({ name }) => name),
      range: Object.values(modes).map(({ color }) => color),
    },
    symbol: {
      domain: Object.values(modes).map(({ name }) => name),
      range: Object.values(modes).map(({ symbol }) => symbol),
    },
    marks: [
      Plot.frame({ stroke: "#d4d4d8" }),
      Plot.dot(runs, { ...channels, r: 2, strokeOpacity: 0, fill: "mode", fillOpacity: 0.35 }),
      Plot.ruleX(means, { x: "x", y1: "low", y2: "high", fx: "panel", stroke: "mode", strokeWidth: 1.5 }),
      Plot.line(means, { ...channels, strokeWidth: 2 }),
      Plot.dot(means, { ...channels, fill: "mode", symbol: "mode", r: 4 }),
      // Plot's own legend is HTML beside the SVG; the lines' names belong into the picture.
      Plot.text(labels(means, measures.at(-1)!.title), {
        x: "x",
        y: "y",
        fx: "panel",
        text: "mode",
        fill: "mode",
        textAnchor: "start",
        dx: 12,
        fontWeight: "bold",
      }),
    ],
  });
  plot.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  plot.setAttribute("role", "img");
  plot.setAttribute("aria-label", `${unit} against sample complexity for three kinds of training pairs`);
  return `${plot.outerHTML}\n`;
}

/** Each line's name at its last point of a panel. */
function labels<Point extends { x: number; panel: string }>(means: readonly Point[], panel: string): Point[] {
  const last = Math.max(...means.map(({ x }) => x));
  return means.filter((point) => point.x === last && point.panel === panel);
}

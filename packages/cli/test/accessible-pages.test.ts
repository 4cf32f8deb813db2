// What axe-core asks of the parts that every page is made of; `npm run site:check` looks at whole pages.
import { expect, test } from "vitest";
import { barChart, heatmap, lineChart } from "../src/report/charts.ts";
import { dataTable } from "../src/report/html.ts";

test("a table has no header without a name, and keys can scroll it", () => {
  const { html } = dataTable(["", "regions"], [["mug", 3]]);
  expect(html).toContain('<div class="scroll" tabindex="0">');
  expect(html).not.toMatch(/<th[^>]*><\/th>/);
  expect(html).toMatch(/<thead><tr><td><\/td><th scope="col"[^>]*>regions<\/th>/);
});

test("a chart has one name, its own", () => {
  const charts = [
    barChart("Regions", [{ label: "mug", bars: [{ value: 0.03, color: "var(--mapped)" }] }]),
    heatmap("Confusion", {
      x: "truly has",
      y: "was given",
      names: ["a", "b"],
      shares: [
        [1, 0],
        [0.5, 0.5],
      ],
    }),
    lineChart({
      description: "Loss",
      x: "epoch",
      y: "loss",
      series: [
        {
          name: "train",
          color: "var(--mapped)",
          points: [
            [1, 2],
            [2, 1],
          ],
        },
      ],
    }),
  ];
  for (const svg of charts) expect(svg.match(/aria-label="/g)).toHaveLength(1);
});

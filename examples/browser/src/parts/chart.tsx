import { useEffect, useRef, useState } from "preact/hooks";
import type { ChartData } from "./chart-data.ts";

type ChartProps = ChartData & {
  /** What the chart shows, in words. */
  readonly label: string;
  /** Said where there is nothing to draw. */
  readonly empty?: string | undefined;
};

/** A chart as wide as its container. The plotting library is loaded when the first one has something to show. */
export function Chart(props: ChartProps) {
  const container = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  const data = dataOf(props);
  const epsilon = props.kind === "sweep" ? props.epsilon : undefined;
  const isEmpty = data.length === 0;

  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.round(entry!.contentRect.width)));
    observer.observe(container.current!);
    return () => observer.disconnect();
  }, []);

  useEffect(() => {
    if (isEmpty || width === 0) {
      container.current?.replaceChildren();
      return;
    }
    let current = true;
    void import("./plots.ts").then(({ drawChart }) => {
      if (current) container.current?.replaceChildren(drawChart(props, width));
    });
    return () => {
      current = false;
    };
    // The page is drawn anew more often than there is something new to plot.
  }, [data, epsilon, width]);

  return (
    <figure class="chart" role="img" aria-label={props.label}>
      {/* The figure says it in words; Plot labels its groups in a way that is not for readers. */}
      <div ref={container} aria-hidden="true" />
      {isEmpty && props.empty && <p class="soft">{props.empty}</p>}
    </figure>
  );
}

function dataOf(chart: ChartData): readonly unknown[] {
  switch (chart.kind) {
    case "loss":
      return chart.epochs;
    case "sweep":
      return chart.sweep;
    case "towers":
      return chart.points;
  }
}

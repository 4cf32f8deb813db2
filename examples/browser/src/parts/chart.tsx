import type { EpochSummary, EpsilonResult } from "@villa/mapping";
import { useEffect, useRef, useState } from "preact/hooks";

export interface LossChartData {
  readonly kind: "loss";
  readonly epochs: readonly EpochSummary[];
}

export interface SweepChartData {
  readonly kind: "sweep";
  readonly sweep: readonly EpsilonResult[];
  readonly epsilon: number;
  /** F1 of giving every attribute of an image to all of its regions. */
  readonly baseline?: number | undefined;
}

type ChartProps = (LossChartData | SweepChartData) & {
  /** What the chart shows, in words. */
  readonly label: string;
  /** Said while there is nothing to draw. */
  readonly empty: string;
};

/** A chart as wide as its container. The plotting library is loaded when the first one has something to show. */
export function Chart(props: ChartProps) {
  const container = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  const data = props.kind === "loss" ? props.epochs : props.sweep;
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
      {isEmpty && <p class="soft">{props.empty}</p>}
    </figure>
  );
}

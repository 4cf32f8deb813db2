import type { EpochSummary, EpsilonResult } from "@villa/mapping";
import type { TowerPoint } from "../laboratory/protocol.ts";

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

export interface TowersChartData {
  readonly kind: "towers";
  readonly points: readonly TowerPoint[];
}

export type ChartData = LossChartData | SweepChartData | TowersChartData;

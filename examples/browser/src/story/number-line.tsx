import { cosine } from "../parts/numbers.ts";
import type { StoryLayout } from "./layout.ts";

interface NumberLineProps {
  readonly layout: StoryLayout;
  readonly attribute: string;
  /** The highest score. */
  readonly best: number;
  readonly epsilon: number;
  readonly showBand: boolean;
}

/** Side of a region's small picture, and the room between two. */
const [side, gap] = [34, 4];
/** Rows of pictures above the line. */
const rows = 2;

const placeOf =
  ({ strip: { left, right } }: StoryLayout) =>
  (score: number): number =>
    left + ((score + 1) / 2) * (right - left);

/** Where regions stand on the line; one that would cover its neighbour stands above it. */
export function stopsOf(scores: readonly number[], layout: StoryLayout): { x: number; y: number; size: number }[] {
  const at = placeOf(layout);
  const ends = new Array<number>(rows).fill(Number.NEGATIVE_INFINITY);
  const stops = scores.map((score) => ({ x: at(score), y: 0, size: side }));
  for (const stop of [...stops].sort((a, b) => a.x - b.x)) {
    const free = ends.findIndex((end) => end <= stop.x - side / 2);
    const row = free < 0 ? ends.indexOf(Math.min(...ends)) : free;
    ends[row] = stop.x + side / 2 + gap;
    stop.y = layout.strip.axis - 10 - side / 2 - row * (side + gap);
  }
  return stops;
}

/** Scores from −1 to 1; the band of width ε ends at the best. */
export function NumberLine({ layout, attribute, best, epsilon, showBand }: NumberLineProps) {
  const { left, right, axis, top } = layout.strip;
  const at = placeOf(layout);
  const [from, to] = [at(best - epsilon), at(best)];
  return (
    <g class="number-line">
      <text class="caption" x={0} y={top + 4}>
        score for “{attribute}”
      </text>
      {showBand && (
        <>
          <rect class="band" x={from} y={top + 6} width={to - from} height={axis - top} rx={4} />
          <text class="band-label" x={(from + to) / 2} y={top}>
            ε
          </text>
        </>
      )}
      <line class="axis" x1={left} x2={right} y1={axis} y2={axis} />
      {[-1, -0.5, 0, 0.5, 1].map((tick) => (
        <g key={tick}>
          <line class="axis" x1={at(tick)} x2={at(tick)} y1={axis} y2={axis + 5} />
          <text class="tick" x={at(tick)} y={axis + 20}>
            {tick === 0 ? "0" : cosine(tick)}
          </text>
        </g>
      ))}
    </g>
  );
}

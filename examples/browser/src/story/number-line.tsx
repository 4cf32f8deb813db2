import type { Picture } from "../laboratory/protocol.ts";
import { cosine } from "../parts/numbers.ts";
import type { StoryLayout } from "./layout.ts";

interface NumberLineProps {
  readonly layout: StoryLayout;
  readonly picture: Picture;
  /** Address of the whole picture. */
  readonly href: string;
  /** Of each region. */
  readonly scores: readonly number[];
  readonly epsilon: number;
  readonly showBand: boolean;
}

/** Side of a region's small picture. */
const side = 34;

/** The regions at their scores, from −1 to 1; the band of width ε ends at the best. */
export function NumberLine({ layout, picture, href, scores, epsilon, showBand }: NumberLineProps) {
  const { left, right, y } = layout.line;
  const at = (score: number): number => left + ((score + 1) / 2) * (right - left);
  const best = Math.max(...scores);
  return (
    <g class="number-line">
      {showBand && (
        <rect class="band" x={at(best - epsilon)} y={y - 54} width={at(best) - at(best - epsilon)} height={60} rx={4} />
      )}
      {showBand && (
        <text class="band-label" x={(at(best) + at(best - epsilon)) / 2} y={y - 59}>
          ε
        </text>
      )}
      <line class="axis" x1={left} x2={right} y1={y} y2={y} />
      {[-1, -0.5, 0, 0.5, 1].map((tick) => (
        <text key={tick} class="tick" x={at(tick)} y={y + 20}>
          {tick === 0 ? "0" : cosine(tick)}
        </text>
      ))}
      {scores.map((score, region) => {
        const [x0, y0, x1, y1] = picture.boxes[region]!;
        const isIn = showBand && score > best - epsilon;
        return (
          <g key={region} class={isIn ? "stop in" : "stop"} style={{ transform: `translateX(${at(score)}px)` }}>
            <line x1={0} x2={0} y1={y - 8} y2={y + 5} />
            <svg
              aria-hidden="true"
              x={-side / 2}
              y={y - 10 - side}
              width={side}
              height={side}
              viewBox={`${x0} ${y0} ${x1 - x0} ${y1 - y0}`}
            >
              <image {...{ href }} width={picture.width} height={picture.height} />
            </svg>
            <rect class="frame" x={-side / 2} y={y - 10 - side} width={side} height={side} />
          </g>
        );
      })}
    </g>
  );
}

import { useState } from "preact/hooks";
import type { Picture } from "../laboratory/protocol.ts";
import { RadioChips } from "./fields.tsx";
import { cosine } from "./numbers.ts";
import { BoxOutline, PictureView, RegionMark } from "./picture-view.tsx";

interface ScoredPictureProps {
  readonly picture: Picture;
  /** Of each region, by attribute. */
  readonly scores: Readonly<Record<string, readonly number[]>>;
  readonly epsilon: number;
  /** Said where there are no scores yet. */
  readonly empty: string;
}

/** An image whose regions shine as brightly as they score for one attribute. */
export function ScoredPicture({ picture, scores, epsilon, empty }: ScoredPictureProps) {
  const [wanted, setWanted] = useState("");
  const attribute = picture.attributes.includes(wanted) ? wanted : (picture.attributes[0] ?? "");
  const own = scores[attribute];
  const chosen = own ? own.flatMap((score, region) => (score > Math.max(...own) - epsilon ? [region] : [])) : [];
  const isWrong = picture.truth && chosen.some((region) => !picture.truth?.[region]?.includes(attribute));
  return (
    <figure class="scored">
      <PictureView picture={picture} label={own ? inWords(attribute, own, chosen) : `Image ${picture.image}`}>
        {own?.map((score, region) => {
          const box = picture.boxes[region]!;
          const [x0, y0, x1, y1] = box;
          const isRight = picture.truth?.[region]?.includes(attribute);
          return (
            <g key={box.join()}>
              <rect
                class="shade"
                {...{ x: x0, y: y0, width: x1 - x0, height: y1 - y0 }}
                style={{ opacity: 0.82 * (1 - brightness(score, own, epsilon)) }}
              />
              {chosen.includes(region) && (
                <BoxOutline box={box} class={isRight === false ? "chosen wrong" : "chosen"} />
              )}
              <RegionMark {...{ box, region }} side={Math.max(picture.width, picture.height)} hasBox={false} />
              <text class="score" x={x1} y={y1} dx="-0.3em" dy="-0.3em">
                {cosine(score)}
              </text>
            </g>
          );
        })}
      </PictureView>
      <figcaption>
        {picture.attributes.length > 0 && (
          <RadioChips
            legend="Which region has the attribute?"
            options={picture.attributes}
            chosen={attribute}
            change={setWanted}
          />
        )}
        <p class="soft">
          {own
            ? `Image ${picture.image}: the score of each region for “${attribute}”. Framed regions get it${isWrong ? ", those with a dashed frame wrongly" : ""}.`
            : empty}
        </p>
      </figcaption>
    </figure>
  );
}

/** 1 for the best region, 0 for those that are 2 ε below it or more. */
function brightness(score: number, all: readonly number[], epsilon: number): number {
  return Math.max(0, 1 - (Math.max(...all) - score) / (2 * epsilon));
}

function inWords(attribute: string, scores: readonly number[], chosen: readonly number[]): string {
  const list = scores.map((score, region) => `region ${region + 1} ${cosine(score)}`).join(", ");
  return `Scores for ${attribute}: ${list}. Assigned: ${chosen.map((region) => region + 1).join(", ")}.`;
}

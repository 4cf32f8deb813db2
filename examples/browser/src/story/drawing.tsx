import { useEffect, useRef, useState } from "preact/hooks";
import type { ImageMapping, Picture } from "../laboratory/protocol.ts";
import { RegionMark } from "../parts/picture-view.tsx";
import { Facts } from "./facts.tsx";
import { letterWidth, type StoryLayout, sentencePadding, storyLayout, type Thread } from "./layout.ts";
import { NumberLine, stopsOf } from "./number-line.tsx";
import { placesOf } from "./order.ts";
import type { StorySentence } from "./sentences.ts";
import type { StepKind } from "./steps.tsx";

export interface DrawingProps {
  readonly kind: StepKind;
  readonly picture: Picture;
  readonly sentences: readonly StorySentence[];
  /** The sentence that the scores are of. */
  readonly chosen: number;
  readonly mapping: ImageMapping | undefined;
  readonly epsilon: number;
}

/** The picture, its regions and sentences, the lines between them and the number line: what a step of the story shows. */
export function Drawing({ kind, picture, sentences, chosen, mapping, epsilon }: DrawingProps) {
  const container = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.round(entry!.contentRect.width)));
    observer.observe(container.current!);
    return () => observer.disconnect();
  }, []);
  const href = useImageAddress(picture);
  const attribute = sentences[chosen]?.attribute ?? "";
  const isScored = kind === "scores" || kind === "band";
  const layout = storyLayout(Math.max(280, width), {
    sentences: sentences.length,
    regions: picture.boxes.length,
    hasSentences: kind !== "image",
    hasLine: isScored,
  });
  const { x, y, size } = layout.picture;
  const scores = isScored ? mapping?.scores[attribute] : undefined;
  const stops = scores && stopsOf(scores, layout);
  const threads = threadsOf({ kind, picture, sentences, mapping });
  // Sentences that found their regions move to where their lines do not cross.
  const drawn = threads.filter(({ judgement }) => judgement !== "missed");
  const places = kind === "mapped" ? placesOf(sentences.length, drawn) : sentences.map((_, index) => index);
  return (
    <div ref={container} class="story-drawing" role="img" aria-label={inWords({ kind, picture, attribute, mapping })}>
      <svg viewBox={`0 0 ${layout.width} ${layout.height}`} aria-hidden="true">
        <svg {...{ x, y }} width={size} height={size} viewBox={viewOf(picture)} aria-hidden="true">
          <rect width="100%" height="100%" />
          <image {...{ href }} width={picture.width} height={picture.height} />
          {picture.boxes.map((box, region) => (
            <RegionMark key={box.join()} {...{ box, region }} side={Math.max(picture.width, picture.height)} />
          ))}
        </svg>
        {threads.map((thread) => (
          <path
            key={`${kind} ${thread.sentence} ${thread.region}`}
            class={thread.judgement ? `thread ${thread.judgement}` : "thread"}
            d={curve(layout, thread.region, places[thread.sentence]!)}
          />
        ))}
        {stops && (
          <NumberLine {...{ layout, attribute, epsilon }} best={Math.max(...scores!)} showBand={kind === "band"} />
        )}
        {picture.boxes.map((box, region) => (
          <RegionPicture
            key={box.join()}
            {...{ picture, href, region, layout }}
            stop={stops?.[region]}
            isIn={kind === "band" && scores !== undefined && scores[region]! > Math.max(...scores) - epsilon}
          />
        ))}
        {kind !== "image" &&
          sentences.map(({ sentence }, index) => (
            <Sentence
              key={sentence}
              {...{ sentence, layout }}
              place={places[index]!}
              isPicked={isScored && index === chosen}
            />
          ))}
        {!isScored && <Facts {...{ kind, picture, sentences, layout, threads }} />}
      </svg>
    </div>
  );
}

function Sentence({
  sentence,
  layout: { sentences },
  place,
  isPicked,
}: {
  readonly sentence: string;
  readonly layout: StoryLayout;
  readonly place: number;
  readonly isPicked: boolean;
}) {
  // Letters are about half as wide as they are high; what does not fit would be cut without a sign.
  const fitting = Math.floor((sentences.width - 2 * sentencePadding) / (letterWidth * sentences.fontSize));
  return (
    <g class={isPicked ? "sentence picked" : "sentence"} style={{ transform: `translateY(${sentences.at(place)}px)` }}>
      <rect x={sentences.x} y={-12} width={sentences.width} height={24} rx={6} />
      <text x={sentences.x + sentencePadding} y={5} font-size={sentences.fontSize}>
        {sentence.length > fitting ? `${sentence.slice(0, fitting - 1).trimEnd()}…` : sentence}
      </text>
    </g>
  );
}

/** A region, cut out: in its column, or at its score on the number line. */
function RegionPicture({
  picture,
  href,
  region,
  layout: { regions, middle },
  stop,
  isIn,
}: {
  readonly picture: Picture;
  readonly href: string;
  readonly region: number;
  readonly layout: StoryLayout;
  /** On the number line. */
  readonly stop: { readonly x: number; readonly y: number; readonly size: number } | undefined;
  /** It scores well enough for the sentence. */
  readonly isIn: boolean;
}) {
  const box = picture.boxes[region]!;
  const [x0, y0, x1, y1] = box;
  const { size } = regions;
  const at = stop ?? { ...middle(region), size };
  const transform = `translate(${at.x}px, ${at.y}px) scale(${at.size / size})`;
  return (
    <g class={stop ? (isIn ? "cut stop in" : "cut stop") : "cut"} style={{ transform }}>
      <svg
        aria-hidden="true"
        x={-size / 2}
        y={-size / 2}
        width={size}
        height={size}
        viewBox={`${x0} ${y0} ${x1 - x0} ${y1 - y0}`}
      >
        <rect x={x0} y={y0} width="100%" height="100%" />
        <image {...{ href }} width={picture.width} height={picture.height} />
        <RegionMark {...{ box, region }} side={3 * Math.max(x1 - x0, y1 - y0)} />
      </svg>
      <rect class="frame" x={-size / 2} y={-size / 2} width={size} height={size} />
    </g>
  );
}

/** From sentences to regions: all of them, or those that the model found or missed. */
function threadsOf({
  kind,
  picture,
  sentences,
  mapping,
}: Pick<DrawingProps, "kind" | "picture" | "sentences" | "mapping">): Thread[] {
  if (kind !== "everything" && kind !== "mapped") return [];
  return sentences.flatMap(({ attribute = "" }, sentence) =>
    picture.boxes.flatMap((_, region): Thread[] => {
      if (kind === "everything") return [{ sentence, region }];
      const isTrue = picture.truth?.[region]?.includes(attribute);
      const isGiven = mapping?.assigned[region]?.includes(attribute);
      if (isGiven) return [{ sentence, region, judgement: isTrue === false ? "wrong" : "found" }];
      return mapping && isTrue ? [{ sentence, region, judgement: "missed" }] : [];
    }),
  );
}

function curve({ regions, sentences }: StoryLayout, region: number, place: number): string {
  const [x1, y1] = [regions.x + regions.size + 1, regions.at(region)];
  const [x2, y2] = [sentences.x, sentences.at(place)];
  return `M${x1},${y1} C${(x1 + x2) / 2},${y1} ${(x1 + x2) / 2},${y2} ${x2},${y2}`;
}

/** The whole picture in a square, from its upper left corner on. */
function viewOf({ width, height }: Picture): string {
  const side = Math.max(width, height);
  return `0 0 ${side} ${side}`;
}

/** The picture as the address of an image. */
function useImageAddress({ rgba, width, reduction }: Picture): string {
  const [href, setHref] = useState("");
  useEffect(() => {
    const columns = Math.ceil(width / reduction);
    const canvas = document.createElement("canvas");
    Object.assign(canvas, { width: columns, height: rgba.length / 4 / columns });
    canvas.getContext("2d")!.putImageData(new ImageData(rgba, columns), 0, 0);
    setHref(canvas.toDataURL());
  }, [rgba, width, reduction]);
  return href;
}

function inWords({
  kind,
  picture,
  attribute,
  mapping,
}: Pick<DrawingProps, "kind" | "picture" | "mapping"> & { readonly attribute: string }): string {
  const regions = `${picture.boxes.length} regions`;
  if (kind === "image") return `Image ${picture.image} with ${regions}`;
  if (kind === "sentences") return `Image ${picture.image} and its sentences: ${picture.text}`;
  if (kind === "everything") return `Every sentence is joined with each of the ${regions}`;
  if (!mapping) return "The scores are being computed";
  if (kind === "mapped") {
    const assigned = mapping.assigned.map((own, region) => `region ${region + 1}: ${own.join(", ") || "nothing"}`);
    return `What each region was given: ${assigned.join("; ")}`;
  }
  const scores = mapping.scores[attribute] ?? [];
  return `Scores for ${attribute}: ${scores.map((score, region) => `region ${region + 1} ${score.toFixed(2)}`).join(", ")}`;
}

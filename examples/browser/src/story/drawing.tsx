import { useEffect, useRef, useState } from "preact/hooks";
import type { ImageMapping, Picture } from "../laboratory/protocol.ts";
import { regionCentre, type StoryLayout, storyLayout } from "./layout.ts";
import { NumberLine } from "./number-line.tsx";
import type { StorySentence } from "./sentences.ts";
import type { StepKind } from "./steps.tsx";

interface DrawingProps {
  readonly kind: StepKind;
  readonly picture: Picture;
  readonly sentences: readonly StorySentence[];
  /** The sentence that the scores are of. */
  readonly chosen: number;
  readonly mapping: ImageMapping | undefined;
  readonly epsilon: number;
}

/** The picture, its sentences, the lines between them and the number line: what a step of the story shows. */
export function Drawing({ kind, picture, sentences, chosen, mapping, epsilon }: DrawingProps) {
  const container = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  useEffect(() => {
    const observer = new ResizeObserver(([entry]) => setWidth(Math.round(entry!.contentRect.width)));
    observer.observe(container.current!);
    return () => observer.disconnect();
  }, []);
  const href = useImageAddress(picture);
  const layout = storyLayout(Math.max(280, width), sentences.length);
  const { x, y, size } = layout.picture;
  const attribute = sentences[chosen]?.attribute ?? "";
  const scores = mapping?.scores[attribute];
  const isScored = kind === "scores" || kind === "band";
  return (
    <div ref={container} class="story-drawing" role="img" aria-label={inWords({ kind, picture, attribute, mapping })}>
      <svg viewBox={`0 0 ${layout.width} ${layout.height}`} aria-hidden="true">
        <image {...{ x, y, href }} width={size} height={size} class="pixels" preserveAspectRatio="xMinYMin" />
        {picture.boxes.map((box) => (
          <RegionFrame key={box.join()} {...{ box, layout, picture }} />
        ))}
        {lines({ kind, picture, sentences, mapping }).map(({ sentence, region, isRight }) => {
          const [x1, y1] = regionCentre(picture.boxes[region]!, layout, picture);
          const [x2, y2] = [layout.sentences.x, layout.sentences.at(sentence)];
          const name = kind === "everything" ? "thread" : isRight === false ? "thread wrong" : "thread found";
          const d = `M${x1},${y1} C${(x1 + x2) / 2},${y1} ${(x1 + x2) / 2},${y2} ${x2},${y2}`;
          return <path key={`${kind} ${sentence} ${region}`} {...{ d }} class={name} />;
        })}
        {kind !== "image" &&
          sentences.map(({ sentence }, index) => (
            <g key={sentence} class={isScored && index === chosen ? "sentence picked" : "sentence"}>
              <rect
                x={layout.sentences.x}
                y={layout.sentences.at(index) - 12}
                width={layout.sentences.width}
                height={24}
                rx={6}
              />
              <text x={layout.sentences.x + 10} y={layout.sentences.at(index) + 5}>
                {sentence}
              </text>
            </g>
          ))}
        {isScored && scores && (
          <NumberLine {...{ layout, picture, href, scores, epsilon }} showBand={kind === "band"} />
        )}
      </svg>
    </div>
  );
}

function RegionFrame({
  box,
  layout: { picture: place },
  picture: { width, height },
}: {
  readonly box: Picture["boxes"][number];
  readonly layout: StoryLayout;
  readonly picture: Picture;
}) {
  const scale = place.size / Math.max(width, height);
  const [x0, y0, x1, y1] = box;
  return (
    <rect
      class="region"
      x={place.x + x0 * scale + 1}
      y={place.y + y0 * scale + 1}
      width={Math.max(0, (x1 - x0) * scale - 2)}
      height={Math.max(0, (y1 - y0) * scale - 2)}
    />
  );
}

interface Thread {
  readonly sentence: number;
  readonly region: number;
  /** Unknown without the truth. */
  readonly isRight?: boolean | undefined;
}

/** From sentences to regions: all of them, or those that the model found. */
function lines({
  kind,
  picture,
  sentences,
  mapping,
}: Pick<DrawingProps, "kind" | "picture" | "sentences" | "mapping">): Thread[] {
  if (kind !== "everything" && kind !== "mapped") return [];
  return sentences.flatMap(({ attribute }, sentence) =>
    picture.boxes.flatMap((_, region): Thread[] => {
      const isDrawn = kind === "everything" || (attribute && mapping?.assigned[region]?.includes(attribute));
      return isDrawn ? [{ sentence, region, isRight: picture.truth?.[region]?.includes(attribute ?? "") }] : [];
    }),
  );
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

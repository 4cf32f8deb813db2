import type { Picture } from "../laboratory/protocol.ts";
import type { StoryLayout, Thread } from "./layout.ts";
import type { StorySentence } from "./sentences.ts";
import type { StepKind } from "./steps.tsx";

interface FactsProps {
  readonly kind: StepKind;
  readonly picture: Picture;
  readonly sentences: readonly StorySentence[];
  readonly layout: StoryLayout;
  /** The lines that are drawn. */
  readonly threads: readonly Thread[];
}

interface Fact {
  readonly value: number;
  readonly name: string;
  /** The lines that it counts. */
  readonly thread?: Thread["judgement"];
}

/** What a step shows, in numbers, and what its lines mean. */
export function Facts(props: FactsProps) {
  const { top, right } = props.layout.strip;
  return (
    <>
      {factsOf(props).map(({ value, name, thread }, index) => {
        const x = (index * right) / 3;
        return (
          <g key={name} class="fact">
            <text x={x} y={top + 34}>
              {value}
            </text>
            <text class="caption" x={x} y={top + 56}>
              {name}
            </text>
            {thread && <line class={`thread ${thread}`} x1={x} x2={x + 40} y1={top + 68} y2={top + 68} />}
          </g>
        );
      })}
    </>
  );
}

function factsOf({ kind, picture, sentences, threads }: FactsProps): Fact[] {
  const pairs = picture.truth?.flat().length;
  const count = (judgement: Thread["judgement"]) => threads.filter((thread) => thread.judgement === judgement).length;
  switch (kind) {
    case "image":
      return [{ value: picture.boxes.length, name: "regions" }];
    case "sentences":
      return [
        { value: sentences.length, name: "sentences" },
        ...(pairs === undefined ? [] : [{ value: pairs, name: "true pairs" }]),
      ];
    case "everything":
      return [
        { value: threads.length, name: "pairs" },
        ...(pairs === undefined ? [] : [{ value: pairs, name: "of them true" }]),
      ];
    case "mapped":
      if (pairs === undefined) return [{ value: threads.length, name: "found", thread: "found" }];
      return [
        { value: count("found"), name: "right", thread: "found" },
        { value: count("wrong"), name: "wrong", thread: "wrong" },
        { value: count("missed"), name: "missed", thread: "missed" },
      ];
    default:
      return [];
  }
}

import type { ComponentChildren } from "preact";
import type { Picture, TrainingResult } from "../laboratory/protocol.ts";
import { percent } from "../parts/numbers.ts";

/** What a step of the story draws. */
export type StepKind = "image" | "sentences" | "everything" | "scores" | "band" | "mapped";

export const stepKinds: readonly StepKind[] = ["image", "sentences", "everything", "scores", "band", "mapped"];

export const stepTitles: Readonly<Record<StepKind, string>> = {
  image: "A picture with several things in it",
  sentences: "Sentences about all of them at once",
  everything: "The easy way: everything for everyone",
  scores: "Learn to score",
  band: "Keep the best, and what comes close",
  mapped: "Sentences find their digits",
};

interface StepTextProps {
  readonly kind: StepKind;
  readonly picture: Picture;
  readonly attribute: string;
  readonly epsilon: number;
  readonly result: TrainingResult | undefined;
}

/** The words of a step; terms stand where they are first needed. */
export function StepText({ kind, picture, attribute, epsilon, result }: StepTextProps): ComponentChildren {
  const regions = picture.boxes.length;
  const pairs = picture.truth?.flat().length;
  switch (kind) {
    case "image":
      return (
        <>
          Here are {regions} digits, each in a box: a <dfn>region</dfn>. The boxes are known. What is in them is not.
        </>
      );
    case "sentences":
      return (
        <>
          The picture comes with sentences, shuffled. Each names an <dfn>attribute</dfn>, such as “{attribute}”.{" "}
          <b>Nobody says which digit a sentence is about.</b>{" "}
          {pairs !== undefined && (
            <>
              In truth there are {pairs} pairs of a region and an attribute: this picture’s <dfn>complexity</dfn>. All
              pictures’ pairs together are the <dfn>budget</dfn>.
            </>
          )}
        </>
      );
    case "everything":
      return (
        <>
          Usual models match the whole picture with the whole text: every sentence counts for every digit.{" "}
          {result?.baseline !== undefined && (
            <>
              Of all these pairs so few are right that the <dfn>F1</dfn> over all held-out pictures, 100&nbsp;% where no
              pair is wrong and none is missed, is <b>{percent(result.baseline)}</b>.
            </>
          )}
        </>
      );
    case "scores":
      return (
        <>
          ViLLA trains a small network for each attribute that gives every region a <dfn>score</dfn> from −1 to 1. It is
          taught only this: in a picture whose text says “{attribute}”, the best region must score higher than regions
          of other pictures. Over hundreds of pictures, only what truly is “{attribute}” does.
        </>
      );
    case "band":
      return (
        <>
          Several digits may be “{attribute}”. So the best region gets the sentence, and with it all regions whose score
          is less than <dfn>ε</dfn> (epsilon, here {epsilon.toFixed(2)}) below the best.
        </>
      );
    case "mapped": {
      const f1 = result?.sweep.find((each) => each.epsilon === epsilon)?.f1;
      return (
        <>
          Now each region has sentences of its own
          {picture.truth ? ": green lines are right, red dashed ones wrong" : ""}.{" "}
          {f1 !== undefined && (
            <>
              Over all held-out pictures the F1 is <b>{percent(f1)}</b>, at the ε that suits them best; the training has
              seen no example of what belongs where.{" "}
            </>
          )}
          A vision-language model that learns from these pairs, instead of whole pictures, should tell regions apart
          better: “Compare” below tries it.
        </>
      );
    }
  }
}

import type { ComponentChildren } from "preact";
import type { Picture, TrainingResult } from "../laboratory/protocol.ts";
import { percent } from "../parts/numbers.ts";

/** What a step of the story draws. */
export type StepKind = "image" | "sentences" | "everything" | "scores" | "band" | "mapped";

export const stepKinds: readonly StepKind[] = ["image", "sentences", "everything", "scores", "band", "mapped"];

export const stepTitles: Readonly<Record<StepKind, string>> = {
  image: "An image of several things",
  sentences: "Sentences about all of them",
  everything: "The easy way: all for all",
  scores: "Learn to score",
  band: "Keep the best, and what comes close",
  mapped: "Sentences find their regions",
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
  const baseline = result?.baseline;
  const judges = result?.judgedOn === "train" ? "all images" : "all images that were kept out of the training";
  switch (kind) {
    case "image":
      return (
        <>
          This image has {regions} parts of interest, each in a box: a <dfn>region</dfn>. Where the boxes are is known:
          a person drew them, or a program that finds things. What is in them is not.
        </>
      );
    case "sentences":
      return (
        <>
          The image comes with sentences, in no order. Each names a word of a known list, such as “{attribute}”: an{" "}
          <dfn>attribute</dfn>, which one region has, or several. <b>Nobody says which region a sentence is about.</b>{" "}
          {pairs !== undefined && (
            <>
              In truth, {pairs} pairs of a region and an attribute belong together. The more pairs, the harder the
              puzzle: their number is the image’s <dfn>complexity</dfn>.
            </>
          )}
        </>
      );
    case "everything":
      return (
        <>
          Usual models match the whole image with the whole text, as if every sentence were about every region. Most of
          these pairs are wrong.{" "}
          {baseline !== undefined && (
            <>
              <dfn>F1</dfn> says how good pairs are: 100&nbsp;% where none is wrong and none is missing. Over {judges},
              such pairs reach <b>{percent(baseline)}</b>.
            </>
          )}
        </>
      );
    case "scores":
      return (
        <>
          ViLLA trains a small network for each attribute, which gives every region a <dfn>score</dfn> from −1 to 1. It
          is told only which images have the word “{attribute}” in their sentences: in each of them, the highest score
          must beat every region of the images without the word. Whatever else an image holds is found in those, too,
          and has to score low there. Over hundreds of images, only what truly is “{attribute}” wins. (Learning by such
          comparisons is called <dfn>contrastive</dfn>.)
        </>
      );
    case "band":
      return (
        <>
          Several regions may be “{attribute}”, so the best one alone is not enough. The sentence goes to the region
          with the highest score, and to every other whose score is lower by less than <dfn>ε</dfn> (epsilon, here{" "}
          {epsilon.toFixed(2)}): those in the coloured band.
        </>
      );
    case "mapped": {
      const f1 = result?.sweep.find((each) => each.epsilon === epsilon)?.f1;
      return (
        <>
          Now each region has sentences of its own: it is <dfn>mapped</dfn>.{" "}
          {f1 !== undefined && (
            <>
              Over {judges}, F1 is <b>{percent(f1)}</b>
              {baseline !== undefined && `, instead of ${percent(baseline)}`}. And nobody ever told the model what
              belongs where.{" "}
            </>
          )}
          A model of images and words that learns from these pairs should know small things better:{" "}
          <a href="#compare">Compare</a> tries it.
        </>
      );
    }
  }
}

import { storedSentences } from "@villa/data";
import type { Picture } from "../laboratory/protocol.ts";

/** A sentence of an image, and the attribute that it names. */
export interface StorySentence {
  readonly sentence: string;
  /** Absent where the sentence names none of the vocabulary. */
  readonly attribute?: string | undefined;
}

export function storySentences(picture: Picture): StorySentence[] {
  return storedSentences(picture).map((sentence) => {
    const words = ` ${sentence.toLowerCase().replaceAll(/[^\p{L}\p{N}]+/gu, " ")} `;
    return { sentence, attribute: picture.attributes.find((name) => words.includes(` ${name.toLowerCase()} `)) };
  });
}

/** The sentence that teaches most: one that some regions have and others do not, several of them if possible. */
export function tellingSentence(sentences: readonly StorySentence[], { truth }: Picture): number {
  const worth = ({ attribute }: StorySentence): number => {
    if (attribute === undefined) return -1;
    const having = truth?.filter((own) => own.includes(attribute)).length ?? 1;
    return having === truth?.length ? 0 : Math.min(having, 2);
  };
  const values = sentences.map(worth);
  return Math.max(0, values.indexOf(Math.max(...values)));
}

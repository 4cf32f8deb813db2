import { golden } from "@villa/testing";
import { expect, test } from "vitest";
import { ClipTokenizer, clipTokenizerFiles } from "../src/index.ts";
import { jsonTokenizer } from "../src/tokenizer/json-tokenizer.ts";

test("CLIP's own tokenizer as tokenizer.json gives the same tokens, cut at the same length", () => {
  const known = golden()
    .json<{ text: string }[]>("tokenizer.json")
    .map(({ text }) => text);
  for (const contextLength of [77, 16]) {
    const own = new ClipTokenizer({ contextLength });
    const written = jsonTokenizer(clipTokenizerFiles(contextLength), { contextLength });
    expect(written.vocabularySize).toBe(own.vocabularySize);
    const more = ["a Photo of 2 dogs, isn't it?", "naïve café über Straße 東京 Москва 😀", "x".repeat(300), ""];
    // Entities and quotes are repaired before, as OpenAI's code does it.
    for (const text of [...known.filter((each) => !/&|[“”’ﬁ]/.test(each)), ...more]) {
      expect(written.encode(text), text).toEqual(own.encode(text));
    }
  }
});

import { golden } from "@villa/testing";
import { describe, expect, test } from "vitest";
import { ClipTokenizer } from "../src/index.ts";

const cases = golden().json<{ text: string; ids: number[] }[]>("tokenizer.json");

describe("ClipTokenizer equals CLIP's own tokenizer", () => {
  const tokenizer = new ClipTokenizer();
  test.each(cases)("$text", ({ text, ids }) => {
    expect(tokenizer.encode(text)).toEqual(ids);
  });
});

import { joinSentences, proseSentences } from "@villa/data";
import { longTexts } from "@villa/testing/long-texts";
import { expect, test } from "vitest";

test.each(longTexts)("a megabyte of %s is split into sentences in linear time", (_, text) => {
  expect(joinSentences(proseSentences(text))).toContain("edema");
});

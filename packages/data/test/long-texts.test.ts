import { longTexts } from "@villa/testing/long-texts";
import { expect, test } from "vitest";
import { AttributeMentions } from "../src/index.ts";

const groups = [{ name: "finding", attributes: ["edema", "red mug"], templates: ["{}"] }];
const mentions = new AttributeMentions({ mentions: "words", groups });

test.each(longTexts)("a megabyte of %s is searched in linear time", (_, text) => {
  for (const found of mentions.find(text)) expect(groups[0]!.attributes).toContain(found);
});

test.each(["possible ", "possible edema, ", "edema versus ", "may be ", "edema is possible "])(
  "a megabyte of %j is searched in linear time, for forms and patterns too",
  (words) => {
    const synonyms = { edema: ["red * mug", "vascular|venous congest*"] };
    const vocabulary = { mentions: "words", inflections: true, groups: [{ ...groups[0]!, synonyms }] } as const;
    const found = new AttributeMentions(vocabulary).states(words.repeat(2 ** 20 / words.length));
    expect([...found.values()]).toEqual(words.includes("edema") ? ["uncertain"] : []);
  },
);

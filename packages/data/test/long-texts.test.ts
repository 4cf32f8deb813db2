import { longTexts } from "@villa/testing/long-texts";
import { expect, test } from "vitest";
import { AttributeMentions } from "../src/index.ts";

const groups = [{ name: "finding", attributes: ["edema", "red mug"], templates: ["{}"] }];
const mentions = new AttributeMentions({ mentions: "words", groups });

test.each(longTexts)("a megabyte of %s is searched in linear time", (_, text) => {
  for (const found of mentions.find(text)) expect(groups[0]!.attributes).toContain(found);
});

import { datasetTexts, RandomState } from "@villa/data";
import { expect, test } from "vitest";
import { regionTexts } from "../src/index.ts";

const vocabulary = {
  mentions: "words",
  groups: [
    {
      name: "finding",
      attributes: ["effusion", "cardiomegaly"],
      templates: ["there is {}"],
      synonyms: { cardiomegaly: ["enlarged heart"] },
    },
  ],
} as const;
const text = "Effusion on the left . no effusion on the right . there is an enlarged heart";

test("a dataset's own vocabulary: synonyms count, negated sentences do not, the first word does", () => {
  const texts = regionTexts(
    { text, attributes: ["effusion", "cardiomegaly"] },
    [["effusion"], ["cardiomegaly", "effusion"]],
    { random: new RandomState(1), texts: datasetTexts(vocabulary) },
  );
  expect(texts).toEqual(["Effusion on the left", "there is an enlarged heart . Effusion on the left"]);
});

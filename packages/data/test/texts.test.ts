import { golden } from "@villa/testing";
import { describe, expect, test } from "vitest";
import {
  type AttributeVocabulary,
  datasetTexts,
  docMnistVocabulary,
  joinSentences,
  originalTexts,
  proseSentences,
  sentences,
  wordsOf,
} from "../src/index.ts";

test("sentences end at full stops, are trimmed, and short pieces drop out where that is asked for", () => {
  const text = "the color is red .  3.5 cm. ok .. a";
  expect(sentences(text)).toEqual(["the color is red", "3", "5 cm", "ok", "a"]);
  expect(sentences(text, { longerThan: 3 })).toEqual(["the color is red", "5 cm"]);
  expect(sentences("")).toEqual([]);
});

test.each([
  ["A mug. It's red!  Buy it?", "A mug . It's red . Buy it"],
  ["FINDINGS: no\nevidence of edema.\n\nIMPRESSION: none", "FINDINGS: no evidence of edema . IMPRESSION: none"],
  ["Features\n- red\n- no lid\n* 3.5 cm", "Features . red . no lid . 3.5 cm"],
  ["Wait... What?! Yes; b.png", "Wait . What . Yes . b.png"],
  [" … . ! ", ""],
])("sentences of the prose %j", (prose, joined) => {
  expect(joinSentences(proseSentences(prose))).toBe(joined);
});

const written = golden().json<[prose: string, parts: string[]][]>("sentences.json");

test("at least 98 of 100 sentences that were taken apart by hand come out right", () => {
  const wrong = written.flatMap(([prose, parts]) => {
    const found = proseSentences(prose);
    return parts.filter((part) => !found.includes(part)).map((part) => ({ part, found }));
  });
  const count = written.flatMap(([, parts]) => parts).length;
  expect(count).toBeGreaterThan(150);
  expect(wrong.length / count, JSON.stringify(wrong, undefined, 1)).toBeLessThanOrEqual(0.02);
  // No piece too many either.
  const pieces = written.flatMap(([prose]) => proseSentences(prose)).length;
  expect(Math.abs(pieces - count)).toBeLessThanOrEqual(0.02 * count);
});

describe("other languages than English", () => {
  test.each([
    [
      "de",
      "Kein Erguss, z. B. links. Am 3. Mai 3,5 cm. Dr. Müller: o. B.\n\n- Kein Pneu\n- Stauung?",
      ["Kein Erguss, z. B. links", "Am 3. Mai 3,5 cm", "Dr. Müller: o. B", "Kein Pneu", "Stauung"],
    ],
    ["fr", "M. Dupont a 3.5 cm. Pas d'épanchement ! Fin", ["M. Dupont a 3.5 cm", "Pas d'épanchement", "Fin"]],
    ["ja", "胸水なし。心拡大あり。", ["胸水なし", "心拡大あり"]],
    ["es", "¿Hay derrame? No hay. A . b", ["¿Hay derrame", "No hay", "A", "b"]],
  ])("%s", (language, prose, parts) => {
    expect(proseSentences(prose, { language })).toEqual(parts);
  });

  test("what is no language is refused", () => {
    const error = expect.objectContaining({
      code: "InvalidArgument",
      message: expect.stringContaining("en, de or pt-BR"),
    });
    expect(() => proseSentences("a", { language: "x" })).toThrow(error);
  });
});

test("sentences that a row keeps are taken as they are", () => {
  const vocabulary = { mentions: "words", groups: [{ name: "", attributes: ["mug"], templates: ["{}"] }] } as const;
  const row = { text: "Ein Becher, z. B. a mug . b", sentences: ["Ein Becher, z. B. a mug", "b"] };
  for (const texts of [datasetTexts(vocabulary), originalTexts]) {
    expect(texts.sentences(row)).toEqual(row.sentences);
    expect(texts.about(row, "mug")).toEqual(row.sentences.slice(0, 1));
  }
});

test("what was taken apart and joined comes apart as it was", () => {
  const vocabulary: AttributeVocabulary = { mentions: "words", groups: [] };
  for (const [prose] of written) {
    const parts = proseSentences(prose);
    expect(datasetTexts(vocabulary).sentences(joinSentences(parts))).toEqual(parts);
  }
});

test.each(["en", "de"])(
  "awkward prose is split at once, as %s",
  (language) => {
    const size = language === "en" ? 1 << 20 : 1 << 18;
    for (const pattern of [".", "!x", ". ", " ", "\n", "\n ", "-\n", "a", "a. ", "3. Mai ", " . "]) {
      const prose = `${pattern.repeat(size / pattern.length)}x`;
      const parts = proseSentences(prose, { language });
      expect(sentences(joinSentences(parts)).join("").length).toBeLessThanOrEqual(prose.length);
    }
  },
  30_000,
);

test("words are runs of letters and digits in lower case", () => {
  expect(wordsOf("A T-shirt, l'Été 3.5")).toEqual(["a", "t", "shirt", "l", "été", "3", "5"]);
  expect(wordsOf("?!")).toEqual([]);
});

describe("which sentences are about an attribute", () => {
  test("in DocMNIST: those of more than three characters in which it follows a space, as in the original", () => {
    const text = "Red it is . the color is REDdish . the digit is red . a r";
    expect(originalTexts.about(text, "red")).toEqual(["the color is REDdish", "the digit is red"]);
    expect(originalTexts.about(text, "r")).toEqual(["the color is REDdish", "the digit is red"]);
    expect(datasetTexts(docMnistVocabulary)).toBe(originalTexts);
  });

  const vocabulary: AttributeVocabulary = {
    mentions: "words",
    groups: [
      { name: "x", attributes: ["red", "lid", "mug"], templates: ["a {}"], synonyms: { red: ["scarlet", "rouge"] } },
    ],
  };
  const text = "Scarlet . an infrared lamp, 3.5 cm . the red mug . a Mug without a lid . Lid";

  test("elsewhere: those that mention it as a word, by any of its names, and do not deny it", () => {
    const { about } = datasetTexts(vocabulary);
    expect(about(text, "red")).toEqual(["Scarlet", "the red mug"]);
    expect(about(text, "lid")).toEqual(["Lid"]);
    expect(about(text, "mug")).toEqual(["the red mug", "a Mug without a lid"]);
    expect(about("a lid", "mug")).toEqual([]);
    expect(about("", "lid")).toEqual([]);
    const negated = datasetTexts({ ...vocabulary, mentions: "words-negated-too" });
    expect(negated.about(text, "lid")).toEqual(["a Mug without a lid", "Lid"]);
  });

  test("numbers and names with full stops stay whole", () => {
    expect(datasetTexts(vocabulary).sentences(text)[1]).toBe("an infrared lamp, 3.5 cm");
    expect(originalTexts.sentences(text)[1]).toBe("an infrared lamp, 3");
  });
});

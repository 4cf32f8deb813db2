import { describe, expect, test } from "vitest";
import { AttributeMentions, type AttributeVocabulary } from "../src/index.ts";

const vocabulary: AttributeVocabulary = {
  mentions: "words",
  groups: [
    {
      name: "finding",
      attributes: ["effusion", "edema", "fracture", "cardiomegaly", "nodule"],
      templates: ["there is {}"],
      synonyms: { cardiomegaly: ["enlarged heart", "heart is enlarged"], edema: ["oedema"] },
    },
    { name: "product", attributes: ["red", "mug", "t-shirt", "été"], templates: ["a {}"] },
  ],
};
const found = (text: string) => new AttributeMentions(vocabulary).find(text);

test.each([
  ["whole words only, any case", "REDDISH mugs. Edema, and an INFRARED nodule", ["edema", "nodule"]],
  ["at the start and the end, in the vocabulary's order", "Red things beside a mug; nodule", ["nodule", "red", "mug"]],
  ["synonyms, over any white space", "the  heart\tis enlarged", ["cardiomegaly"]],
  ["hyphens and accents", "a T-shirt for l'été, a t shirt", ["t-shirt"]],
  ["accents", "en été", ["été"]],
  ["a possessive", "the mug’s handle", ["mug"]],
])("%s", (_, text, expected) => {
  expect(found(text)).toEqual(expected);
});

describe("negation", () => {
  test.each([
    ["No effusion.", []],
    ["no effusion, edema or fracture", []],
    ["No fracture, effusion is small.", ["effusion"]],
    ["no fracture, a small nodule, edema is mild", ["edema"]],
    ["no edema, effusion, or fracture is seen", []],
    ["no edema, effusion is seen", []],
    ["no nodule, fracture that is new", []],
    ["No lid, the mug is red", ["red", "mug"]],
    ["No effusion. Edema is seen.", ["edema"]],
    ["no effusion but a nodule", ["nodule"]],
    ["no effusion; nodule", ["nodule"]],
    ["No effusion\nNodule", ["nodule"]],
    ["Findings: nodule without edema", ["nodule"]],
    ["absence of fracture", []],
    ["The patient denies edema, however there is a nodule", ["nodule"]],
    ["There is no evidence of cardiomegaly or oedema", []],
    ["negative for effusion", []],
    ["A nodule, effusion is absent", ["nodule"]],
    ["the fracture was ruled out", []],
    ["A mug that isn’t red", ["mug"]],
    ["Edema is not seen, nodule", ["nodule"]],
    ["effusion is no longer visible, edema persists", ["edema"]],
    ["There is no longer an effusion", []],
    ["fracture is not clearly seen", []],
    ["the nodule can’t be identified", []],
    ["effusion isn’t seen", []],
    ["effusion is neither seen nor suspected", []],
    ["effusion, edema and fracture are absent", []],
    ["nodule is seen, effusion and edema are absent", ["nodule"]],
    ["Resolved effusion, new nodule", ["nodule"]],
    ["Interval resolution of the edema", []],
    ["The lungs are clear of edema", []],
    ["fails to reveal a fracture", []],
    ["nothing to suggest edema", []],
    ["nodule rather than effusion", ["nodule"]],
    ["a mug w/o red", ["mug"]],
    ["edema is unlikely", []],
    // Headings.
    ["Effusion: none. Nodule: small", ["nodule"]],
    ["Effusion: not seen", []],
    ["Lungs: no edema. Bones: fracture", ["fracture"]],
    // Ends of a denial.
    ["no effusion other than a nodule", ["nodule"]],
    ["no effusion aside from edema", ["edema"]],
    ["no effusion, and there is edema", ["edema"]],
    ["no effusion while edema is seen", ["edema"]],
    // Phrases that contain a negating word and negate nothing.
    ["no change of the effusion", ["effusion"]],
    ["not only red", ["red"]],
    ["a nodule cannot be ruled out", ["nodule"]],
    ["a nodule can not be entirely excluded", ["nodule"]],
    ["cannot exclude edema", ["edema"]],
    ["does not rule out fracture", ["fracture"]],
    ["unable to exclude effusion", ["effusion"]],
    ["no significant interval change in the effusion", ["effusion"]],
    ["without worsening of the edema", ["edema"]],
    ["effusion has not resolved", ["effusion"]],
    ["partially resolved edema", ["edema"]],
    ["a nodule that was not previously seen", ["nodule"]],
    ["no-slip red mug", ["red", "mug"]],
    // One mention that is not negated is enough.
    ["no effusion on the left. Effusion on the right", ["effusion"]],
    ["nodule 3.5 cm, no edema", ["nodule"]],
    ["possible fracture", ["fracture"]],
  ])("%s", (text, expected) => {
    expect(found(text)).toEqual(expected);
  });

  test("can be switched off", () => {
    const mentions = new AttributeMentions({ ...vocabulary, mentions: "words-negated-too" });
    expect(mentions.find("no effusion, edema or fracture")).toEqual(["effusion", "edema", "fracture"]);
  });
});

test("an attribute whose own name denies is found, and denies others", () => {
  const groups = [{ name: "x", attributes: ["no finding", "without lid", "handle"], templates: ["{}"] }];
  const named = new AttributeMentions({ mentions: "words", groups });
  expect(named.find("No finding.")).toEqual(["no finding"]);
  expect(named.find("A mug without lid or handle")).toEqual(["without lid"]);
  expect(named.find("Not without lid; handle")).toEqual(["without lid", "handle"]);
});

test("an attribute without a word is refused", () => {
  const groups = [{ name: "x", attributes: ["+"], templates: ["{}"] }];
  expect(() => new AttributeMentions({ groups })).toThrow(expect.objectContaining({ code: "InvalidArgument" }));
});

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

describe("uncertainty", () => {
  const states = (text: string) => Object.fromEntries(new AttributeMentions(vocabulary).states(text));

  test.each<[string, Record<string, "present" | "uncertain" | "denied">]>([
    ["possible edema", { edema: "uncertain" }],
    ["Possible small effusion, nodule on the left", { effusion: "uncertain", nodule: "present" }],
    ["possible edema, effusion, or fracture", { edema: "uncertain", effusion: "uncertain", fracture: "uncertain" }],
    ["The nodule may represent a fracture", { nodule: "present", fracture: "uncertain" }],
    ["nodule, which could also reflect edema", { nodule: "present", edema: "uncertain" }],
    ["edema cannot be excluded", { edema: "uncertain" }],
    ["edema or effusion cannot be entirely ruled out", { edema: "uncertain", effusion: "uncertain" }],
    ["Cannot exclude a fracture", { fracture: "uncertain" }],
    ["a fracture is difficult to exclude", { fracture: "uncertain" }],
    ["it is difficult to rule out a fracture", { fracture: "uncertain" }],
    ["an effusion is possible", { effusion: "uncertain" }],
    ["An effusion is possible in the left base", { effusion: "uncertain" }],
    ["the nodule is likely an old fracture", { nodule: "present", fracture: "uncertain" }],
    ["nodule suspicious for fracture", { nodule: "present", fracture: "uncertain" }],
    ["findings suggestive of edema", { edema: "uncertain" }],
    ["findings suggest edema but no effusion", { edema: "uncertain", effusion: "denied" }],
    ["edema versus effusion", { edema: "uncertain", effusion: "uncertain" }],
    ["Edema: possible. Fracture: none.", { edema: "uncertain", fracture: "denied" }],
    ["suspected edema", { edema: "uncertain" }],
    ["edema is suspected", { edema: "uncertain" }],
    ["concern for fracture", { fracture: "uncertain" }],
    ["a questionable nodule; effusion", { effusion: "present", nodule: "uncertain" }],
    ["perhaps a nodule", { nodule: "uncertain" }],
    ["edema is not certain", { edema: "uncertain" }],
    // One plain mention outweighs a doubt, a doubt a denial.
    ["Possible edema. Edema is worse.", { edema: "present" }],
    ["Possible edema. No edema on the right.", { edema: "uncertain" }],
    ["No edema on the right. Possible edema on the left.", { edema: "uncertain" }],
    // What only looks like a doubt.
    ["edema is unlikely", { edema: "denied" }],
    ["no possible edema", { edema: "denied" }],
    ["seen on may 3, edema", { edema: "present" }],
    ["edema, as best as could be seen", { edema: "present" }],
    ["It is possible to see the nodule", { nodule: "uncertain" }],
    ["no edema, fracture is healing", { edema: "denied", fracture: "present" }],
  ])("%s", (text, expected) => {
    expect(states(text)).toEqual(expected);
  });

  test("counts by the vocabulary's choice, in English", () => {
    const text = "possible edema, nodule; no effusion";
    const findBy = (more: Partial<AttributeVocabulary>) => new AttributeMentions({ ...vocabulary, ...more }).find(text);
    expect(found(text)).toEqual(["edema", "nodule"]);
    expect(findBy({ uncertain: "positive" })).toEqual(["edema", "nodule"]);
    expect(findBy({ uncertain: "negative" })).toEqual(["nodule"]);
    expect(findBy({ uncertain: "omit" })).toEqual(["nodule"]);
    expect(findBy({ uncertain: "negative", language: "de" })).toEqual(["edema", "nodule"]);
  });
});

describe("inflections", () => {
  const inflected = new AttributeMentions({ ...vocabulary, inflections: true });

  test.each([
    ["Effusions and nodules, fractured ribs", ["effusion", "fracture", "nodule"]],
    ["no effusions", []],
    ["the enlarging hearts of red mugs", ["cardiomegaly", "red", "mug"]],
    ["reds, mugger, edematous", ["red"]],
  ])("%s", (text, expected) => {
    expect(inflected.find(text)).toEqual(expected);
    expect(found(text.toLowerCase()).length).toBeLessThan(Math.max(1, expected.length));
  });

  test.each([
    "effusion effusions",
    "opacity opacities",
    "diagnosis diagnoses",
    "metastasis metastases",
    "pneumothorax pneumothoraces",
    "vertebra vertebrae",
    "bulla bullae",
    "calcification calcifications",
    "bronchus bronchi",
    "mass masses",
    "lens lenses",
    "man men",
    "child children",
    "foot feet",
    "knife knives",
    "leaf leaves",
    "dress dresses",
    "box boxes",
    "enlarge enlarged enlarges enlarging",
    "stripe striped stripes",
    "city cities",
  ])("%s are one", (forms) => {
    const words = forms.split(" ");
    const groups = words.map((word) => ({ name: word, attributes: [word], templates: ["{}"] }));
    for (const group of groups) {
      const mentions = new AttributeMentions({ mentions: "words", inflections: true, groups: [group] });
      for (const word of words) expect(mentions.find(word)).toEqual(group.attributes);
    }
  });

  test.each(["left leaf", "news new", "red read", "glass glow", "lung lunch", "mug muggy"])("%s are two", (pair) => {
    const [one, other] = pair.split(" ") as [string, string];
    const groups = [{ name: "", attributes: [one], templates: ["{}"] }];
    expect(new AttributeMentions({ mentions: "words", inflections: true, groups }).find(other)).toEqual([]);
  });
});

describe("synonyms by pattern", () => {
  const patterns = (...synonyms: string[]) => {
    const groups = [{ name: "", attributes: ["x"], templates: ["{}"], synonyms: { x: synonyms } }];
    return new AttributeMentions({ mentions: "words", groups });
  };

  test.each([
    ["opacit*", "diffuse opacities", true],
    ["opacit*", "Opacity", true],
    ["opacit*", "opaque", false],
    ["enlarged|prominent heart|silhouette", "a prominent silhouette", true],
    ["enlarged|prominent heart|silhouette", "an enlarged lung", false],
    ["enlarged * heart", "enlarged heart", true],
    ["enlarged * heart", "an enlarged and somewhat globular heart", true],
    ["enlarged * heart", "enlarged a b c d heart", false],
    ["enlarged * heart", "enlarged, heart", false],
    ["heart * enlarge*", "the heart is mildly enlarged", true],
    ["heart * enlarge*", "the heart is not enlarged", false],
    ["vascular|venous congest*", "no venous congestion", false],
    ["vascular|venous congest*", "venous congestion", true],
  ])("%s in %j: %s", (pattern, text, expected) => {
    expect(patterns(pattern).find(text)).toEqual(expected ? ["x"] : []);
  });

  test.each(["* heart", "heart *", "*"])("%s is refused: nothing limits it", (pattern) => {
    expect(() => patterns(pattern)).toThrow(expect.objectContaining({ code: "InvalidArgument" }));
  });

  test("names are no patterns", () => {
    const groups = [{ name: "", attributes: ["a|b"], templates: ["{}"] }];
    expect(new AttributeMentions({ mentions: "words", groups }).find("a")).toEqual([]);
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

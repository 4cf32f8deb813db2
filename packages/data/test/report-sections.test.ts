import { longTexts } from "@villa/testing/long-texts";
import { describe, expect, test } from "vitest";
import { reportSections } from "../src/index.ts";

const mimic = `                                 FINAL REPORT
 EXAMINATION:  CHEST (PA AND LAT)

 INDICATION:  ___-year-old woman with cough.  // Findings?

 COMPARISON:  None.

 FINDINGS:

 LUNGS: No focal
 consolidation.
 HEART: Normal.

 IMPRESSION:

 1. No acute process.
 2. Small nodule.`;

describe("sections of a report", () => {
  test.each<[string, string, string[], string]>([
    ["as MIMIC-CXR has them", mimic, ["FINDINGS"], "LUNGS: No focal\n consolidation.\n HEART: Normal."],
    ["one with an enumeration", mimic, ["impression"], "1. No acute process.\n 2. Small nodule."],
    ["several", "FINDINGS: a\nHISTORY: b\nIMPRESSION: c", ["Impression", "FINDINGS"], "a\n\nc"],
    ["in one line", "INDICATION: Cough. FINDINGS: No edema. IMPRESSION: Normal.", ["FINDINGS"], "No edema."],
    ["abbreviated", "Hx: cough\nIMP: no edema", ["IMPRESSION"], "no edema"],
    ["asked for by an abbreviation", "Impression: no edema", ["IMP"], "no edema"],
    ["numbered", "1. Indication: x\n2. Findings: y\n3. Conclusion: z", ["findings"], "y"],
    ["in Markdown", "## Indication\nx\n**Findings:** y\n**Impression**\nz", ["findings", "impression"], "y\n\nz"],
    ["alone on a line", "Findings\n- a\n- b\n\nImpression\nnone", ["findings"], "- a\n- b"],
    ["with a dash", "FINDINGS - clear lungs\nIMPRESSION - normal", ["findings"], "clear lungs"],
    ["two in one", "FINDINGS AND IMPRESSION: a\nPLAN: b", ["impression"], "a"],
    ["with a slash", "Findings/Impression: a\nRec: b", ["findings"], "a"],
    [
      "of a name of their own",
      "Befund: kein Erguss\nBeurteilung: o. B.",
      ["Befund", "BEURTEILUNG"],
      "kein Erguss\n\no. B.",
    ],
    ["ended by an unasked name", "Befund: a\nIMPRESSION: b", ["Befund"], "a"],
    ["with two of a name", "FINDINGS: a\nIMPRESSION: b\nADDENDUM: c\nFINDINGS: d", ["findings"], "a\n\nd"],
    ["across Windows' lines", "FINDINGS\r\na\r\nIMPRESSION:\r\nb", ["findings"], "a"],
    [
      "not where a sentence speaks of it",
      "FINDINGS: seen on exam: x. The impression: y. Plan is z",
      ["findings"],
      "seen on exam: x. The impression: y. Plan is z",
    ],
    ["none", "INDICATION: cough", ["FINDINGS"], ""],
    ["an empty one", "FINDINGS:\nIMPRESSION: x", ["FINDINGS"], ""],
  ])("%s", (_, report, names, expected) => {
    expect(reportSections(report, names)).toBe(expected);
  });

  test("a name without a letter is refused", () => {
    expect(() => reportSections("a", [" :"])).toThrow(expect.objectContaining({ code: "InvalidArgument" }));
  });
});

const own = [" ", "1. ", "**", "findings ", ". FINDINGS and ", "\n\n", "# "];

test.each([...longTexts.map(([, text]) => text), ...own.map((text) => text.repeat(2 ** 20 / text.length))])(
  "a megabyte is searched in linear time, case %#",
  (text) => {
    expect(reportSections(text, ["FINDINGS"]).length).toBeLessThanOrEqual(text.length);
  },
);

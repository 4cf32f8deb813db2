/** A stretch of words that are said not to be there, [from, to), and the words that say so. */
export interface DeniedStretch {
  readonly from: number;
  readonly to: number;
  readonly cue: { readonly from: number; readonly to: number };
}

/** As a regular expression over words with single spaces between them. */
const any = (...phrases: readonly string[]): string => `(?:${phrases.join("|")})`;

const not = any("not", "no longer", "never", "neither", "cannot", "\\S+n't");
const degree = any("be", "been", "yet", "any longer", "well", "\\S+ly");
const found = any(
  ...["seen", "present", "identified", "visible", "visuali[sz]ed", "evident", "there", "included", "appreciated"],
  ...["detected", "noted", "demonstrated", "found", "observed", "shown", "apparent", "suspected", "recogni[sz]ed"],
);
const kindOfChange = any(
  ...["significant", "substantial", "appreciable", "relevant", "major", "definite", "obvious", "clear", "further"],
  ...["interval", "evidence of", "overall", "other", "any", "\\S+ly"],
);
const change = any("changes?", "changed", "increase", "decrease", "worsening", "improvement", "progression");

/** These hold a word of the lists below and deny nothing. */
const harmless = any(
  `(?:no|not|without)(?: ${kindOfChange})* ${change}`,
  `${not}(?: ${degree})* (?:excluded?|excluding|ruled? out)`,
  "(?:unable|difficult|hard|impossible) to (?:exclude|rule out)",
  "not (?:only|just|merely|necessarily|certain|previously|absent|free of|lacking|negative for|without)",
  `(?:${not}|partially|partly|incompletely|nearly|almost|largely|mostly)(?: ${degree})* (?:resolved|cleared)`,
  "(?:no|without|partial|incomplete|near|nearly complete)(?: interval)? resolution",
  "no doubt|no further|without difficulty",
);
/** What stands before these is denied. */
const backward = any(
  `${not}(?: ${degree})* ${found}`,
  "absent|excluded|ruled out|resolved|unlikely|none(?! of)|(?:has|have)(?: \\S+ly)? cleared",
);
/** What follows these is denied. */
const forward = any(
  `${not}|no|without|nor|none of|nothing|denie[sd]|denying|absence of|absent of|negative for|free of|clear(?:ed)? of`,
  "lacks?|lacking|lack of|fail(?:s|ed)? to|unlikely to|resolution of|excludes?|rules? out|rather than|instead of",
);
/** The first that fits counts: "not excluded" is not "not", "not seen" neither. */
const cues = new RegExp(`(?<!\\S)(?:(?<harmless>${harmless})|(?<back>${backward})|${forward})(?!\\S)`, "g");

/** All that a clause may hold to deny the one before its colon: "Effusion: none." */
const answer = new RegExp(`^(?:no|nil|negative|denied|${backward})$`);

/** Words that assert nothing by themselves. */
const small = new Set("a an and any are been has have is it of or some the there was were".split(" "));
const verbs = new Set("are has have is remain remains seen show shows there was were with".split(" "));

/**
 * What a clause denies, by a simple form of NegEx (Chapman et al. 2001).
 *
 * @param words lower-cased words and commas
 */
export function deniedStretches(words: readonly string[]): DeniedStretch[] {
  const text = words.join(" ");
  let [at, seen] = [0, 0];
  return [...text.matchAll(cues)].flatMap(({ 0: phrase, index, groups }) => {
    at += text.slice(seen, index).split(" ").length - 1;
    seen = index;
    if (groups?.harmless !== undefined) return [];
    const cue = { from: at, to: at + phrase.split(" ").length };
    if (groups?.back === undefined) return [{ from: cue.to, to: words.length, cue }];
    const from = beginningOf(words, at);
    if (words.slice(from, at).some((word) => !small.has(word))) return [{ from, to: at, cue }];
    // "Resolved pneumonia": there is nothing before it.
    const comma = words.indexOf(",", cue.to);
    return [{ from: cue.to, to: comma < 0 ? words.length : comma, cue }];
  });
}

/** Whether a clause is nothing but a denial of what stands before its colon. */
export function isDenial(words: readonly string[]): boolean {
  return answer.test(words.join(" "));
}

/** Where that begins which a word at the end denies: behind the last comma, or with the list "a, b and c". */
function beginningOf(words: readonly string[], end: number): number {
  let from = words.lastIndexOf(",", end - 1) + 1;
  if (!words.slice(from, end).some((word) => word === "and" || word === "or")) return from;
  while (from > 0) {
    const before = words.slice(0, from - 1).lastIndexOf(",") + 1;
    if (words.slice(before, from - 1).some((word) => verbs.has(word))) break;
    from = before;
  }
  return from;
}

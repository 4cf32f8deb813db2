/** Whether other words of its clause deny, or doubt, the term made of the words [from, to). */
export type ScopeTest = (from: number, to: number) => boolean;

/** A stretch of words that a cue denies or doubts, [from, to), and the cue's own words. */
interface Stretch {
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
  `(?:no|not|without)(?: ${kindOfChange}){0,8} ${change}`,
  `${not}(?: ${degree}){0,8} (?:excluded?|excluding|ruled? out)`,
  "(?:unable|difficult|hard|impossible) to (?:exclude|rule out)",
  "not (?:only|just|merely|necessarily|certain|previously|absent|free of|lacking|negative for|without)",
  `(?:${not}|partially|partly|incompletely|nearly|almost|largely|mostly)(?: ${degree}){0,8} (?:resolved|cleared)`,
  "(?:no|without|partial|incomplete|near|nearly complete)(?: interval)? resolution",
  "no doubt|no further|without difficulty",
);
/** What stands before these is denied. */
const backward = any(
  `${not}(?: ${degree}){0,8} ${found}`,
  "absent|excluded|ruled out|resolved|unlikely|none(?! of)|(?:has|have)(?: \\S+ly)? cleared",
);
/** What follows these is denied. */
const forward = any(
  `${not}|no|without|nor|none of|nothing|denie[sd]|denying|absence of|absent of|negative for|free of|clear(?:ed)? of`,
  "lacks?|lacking|lack of|fail(?:s|ed)? to|unlikely to|resolution of|excludes?|rules? out|rather than|instead of",
);
/** The first phrase that fits counts: "not excluded" and "not seen" must not be read as "not". */
const denials = new RegExp(`(?<!\\S)(?:(?<harmless>${harmless})|(?<back>${backward})|${forward})(?!\\S)`, "g");

/** All that a clause may hold to deny the one before its colon: "Effusion: none." */
const denial = new RegExp(`^(?:no|nil|negative|denied|${backward})$`);

const doubtful = any(
  "possible",
  "probable",
  "likely",
  "suspected",
  "questionable",
  "equivocal",
  "presumed",
  "uncertain",
);
const copula = any("is", "are", "was", "were", "be", "remains?", "seems?", "appears?");
/** With these behind it, "edema is possible" doubts what stands before it; "this is likely edema" does not. */
const place = any("in", "at", "on", "within", "here", "there", "present", "given", "due", "and", ",");
/** What stands before these is doubted. */
const doubtsBefore = any(
  `${not}(?: ${degree}){0,8} (?:excluded|ruled out)`,
  `(?<=(?:^|\\s)${copula} (?:\\S+ly )?)${doubtful}(?= ${place}(?!\\S)|$)`,
  "(?:difficult|hard|impossible|unable) to (?:exclude|rule out)(?= ,|$)",
  "not certain|in question|to be excluded|in the differential",
);
/** What follows these is doubted. */
const doubtsAfter = any(
  `${doubtful}|possibly|probably|presumably|perhaps|maybe`,
  "(?:may|might|could)(?: also| \\S+ly)? (?:be|represent|reflect|indicate|suggest|have|relate to|correspond to|mean)",
  "(?:cannot|could not|not|unable to|difficult to|hard to|impossible to) (?:exclude|rule out)",
  "suspicious for|suspicion (?:of|for)|concern(?:ing)? for|worrisome for|suggest(?:s|ed|ing)?|suggestive of",
  "question of|query|differential (?:diagnosis )?(?:includes?|of)",
);
const doubts = new RegExp(`(?<!\\S)(?:(?<back>${doubtsBefore})|(?<both>versus|vs)|${doubtsAfter})(?!\\S)`, "g");
const doubt = new RegExp(`^(?:${doubtful}|possibly|probably|perhaps|maybe|cannot be (?:excluded|ruled out))$`);

/** Words that assert nothing by themselves. */
const small = new Set("a an and any are been has have is it of or some the there was were".split(" "));
const verbs = new Set("are has have is remain remains seen show shows there was were with".split(" "));
/** A part "effusion is small" behind a comma says something of its own: a subject, one of these, and no word of presence. */
const predicates = new Set("are has have is remain remains was were appear appears persist persists looks".split(" "));
const bindsPart = new Set("and or nor that which who whose where".split(" "));
const isPresence = new RegExp(`^${any(found, degree)}$`);

/** What a clause doubts: "possible edema", "may represent edema", "edema cannot be excluded". As {@link denialTest}. */
export function doubtTest(words: readonly string[]): ScopeTest {
  return scopeTest(words, doubts);
}

/**
 * What a clause denies, by a simple form of NegEx (Chapman et al. 2001). Takes time in proportion to the clause, however
 * many denials and commas it has.
 *
 * @param words lower-cased words and commas
 */
export function denialTest(words: readonly string[]): ScopeTest {
  return scopeTest(words, denials);
}

function scopeTest(words: readonly string[], cues: RegExp): ScopeTest {
  const stretches = stretchesOf(words, cues);
  if (stretches.length === 0) return () => false;
  // Of the stretches that reach the end, the first denies all that the others deny.
  const open = stretches.find(({ to }) => to === words.length);
  const byCue = new Map(stretches.map((stretch) => [stretch.cue.from, stretch]));
  /** How many stretches a word lies in. */
  const depth = new Int32Array(words.length + 1);
  for (const { from, to } of stretches) {
    if (to === words.length || from >= to) continue;
    depth[from]!++;
    depth[to]!--;
  }
  for (let i = 1; i < depth.length; i++) depth[i]! += depth[i - 1]!;

  return (from, to) => {
    if (open && open.cue.from < from && open.from < to) return true;
    const own = Array.from({ length: to - from }, (_, i) => byCue.get(from + i)).filter(
      (stretch): stretch is Stretch => stretch !== undefined && stretch.cue.to <= to,
    );
    for (let word = from; word < to; word++) {
      const byOwn = own.filter((each) => each.to < words.length && each.from <= word && word < each.to).length;
      if (depth[word]! > byOwn) return true;
    }
    return false;
  };
}

/** Whether a clause is nothing but a denial of what stands before its colon. */
export function isDenial(words: readonly string[]): boolean {
  return denial.test(words.join(" "));
}

/** Whether a clause is nothing but a doubt about what stands before its colon. */
export function isDoubt(words: readonly string[]): boolean {
  return doubt.test(words.join(" "));
}

function stretchesOf(words: readonly string[], cues: RegExp): Stretch[] {
  const text = words.join(" ");
  let [at, seen] = [0, 0];
  let index: ClauseIndex | undefined;
  return [...text.matchAll(cues)].flatMap(({ 0: phrase, index: start, groups }) => {
    at += text.slice(seen, start).split(" ").length - 1;
    seen = start;
    if (groups?.harmless !== undefined) return [];
    const cue = { from: at, to: at + phrase.split(" ").length };
    index ??= new ClauseIndex(words);
    const ahead = {
      from: cue.to,
      to: cues === doubts ? index.nextDoubtless(cue.to) : index.nextStatement(cue.to),
      cue,
    };
    if (groups?.both !== undefined) return [{ from: index.beginningOf(at), to: at, cue }, ahead];
    if (groups?.back === undefined) return [ahead];
    const from = index.beginningOf(at);
    if (index.saysSomething(from, at)) return [{ from, to: at, cue }];
    // "Resolved pneumonia": there is nothing before it.
    return [{ from: cue.to, to: index.nextComma(cue.to), cue }];
  });
}

/** Answers about stretches of a clause without walking through them again. */
class ClauseIndex {
  /** How many words before each assert something, join a list, are verbs. */
  readonly #telling: Int32Array;
  readonly #joining: Int32Array;
  readonly #verbs: Int32Array;
  /** For each position, where the part behind the last comma before it begins. */
  readonly #partStart: Int32Array;
  /** For each beginning of a part, where the list begins that the part belongs to. */
  readonly #listStart: Int32Array;
  readonly #nextComma: Int32Array;
  /** For each position, the next comma behind which a statement of its own begins. */
  readonly #nextStatement: Int32Array;

  readonly #lastOr: number;

  constructor(words: readonly string[]) {
    this.#lastOr = words.lastIndexOf("or");
    const { length } = words;
    const count = (is: (word: string) => boolean): Int32Array => {
      const sums = new Int32Array(length + 1);
      for (let i = 0; i < length; i++) sums[i + 1] = sums[i]! + (is(words[i]!) ? 1 : 0);
      return sums;
    };
    this.#telling = count((word) => !small.has(word));
    this.#joining = count((word) => word === "and" || word === "or");
    this.#verbs = count((word) => verbs.has(word));
    this.#partStart = new Int32Array(length + 1);
    for (let i = 1; i <= length; i++) this.#partStart[i] = words[i - 1] === "," ? i : this.#partStart[i - 1]!;
    this.#listStart = new Int32Array(length + 1);
    for (let i = 1; i <= length; i++) {
      if (words[i - 1] !== ",") continue;
      // A verb in the part before says that the list begins behind it.
      const before = this.#partStart[i - 1]!;
      this.#listStart[i] = this.#has(this.#verbs, before, i - 1) ? i : this.#listStart[before]!;
    }
    this.#nextComma = new Int32Array(length + 1).fill(length);
    this.#nextStatement = new Int32Array(length + 1).fill(length);
    for (let i = length - 1; i >= 0; i--) {
      const isComma = words[i] === ",";
      const begins = isComma && isStatement(words, i + 1, this.#nextComma[i + 1]!);
      this.#nextComma[i] = isComma ? i : this.#nextComma[i + 1]!;
      this.#nextStatement[i] = begins ? i : this.#nextStatement[i + 1]!;
    }
  }

  /** Where the stretch begins that a word at its end denies: behind the last comma, or with the list "a, b and c". */
  beginningOf(end: number): number {
    const from = this.#partStart[end]!;
    return this.#has(this.#joining, from, end) ? this.#listStart[from]! : from;
  }

  /** Whether a word of [from, to) asserts something. */
  saysSomething(from: number, to: number): boolean {
    return this.#has(this.#telling, from, to);
  }

  /** Where a denial ends that begins here: "no pneumothorax, effusion is small" denies nothing of the second part. */
  nextStatement(from: number): number {
    return this.#nextStatement[Math.min(from, this.#nextStatement.length - 1)]!;
  }

  /** Where a doubt ends that begins here: at a comma, unless an "or" behind it says that a list goes on. */
  nextDoubtless(from: number): number {
    const comma = this.nextComma(from);
    return comma < this.#lastOr ? this.nextStatement(from) : comma;
  }

  /** The position of the next comma, or the clause's end. */
  nextComma(from: number): number {
    return this.#nextComma[Math.min(from, this.#nextComma.length - 1)]!;
  }

  #has(sums: Int32Array, from: number, to: number): boolean {
    return sums[to]! > sums[from]!;
  }
}

/** Whether the words of a part between commas, [from, to), say something of its subject: not "or edema is seen". */
function isStatement(words: readonly string[], from: number, to: number): boolean {
  for (let i = from; i < to; i++) {
    if (bindsPart.has(words[i]!)) return false;
    if (predicates.has(words[i]!)) return i > from && i + 1 < to && !isPresence.test(words[i + 1]!);
  }
  return false;
}

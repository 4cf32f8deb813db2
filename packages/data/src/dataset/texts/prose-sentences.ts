import { VillaError } from "../../errors.ts";
import { checkObject, checkText } from "../../formats/check-arguments.ts";
import { quote } from "../../formats/describe.ts";
import { sentenceSeparator } from "./sentences.ts";

/** Never the end of a sentence: a name follows. */
const titles = new Set("dr mr mrs ms mx prof rev hon gen sen gov capt lt col sgt maj messrs mme mlle mt".split(" "));
/** Never the end of a sentence: what they speak of follows. */
const leading = new Set("e.g i.e eg ie viz vs v approx ca circa cf incl excl esp".split(" "));
/** Abbreviations before a number or a label ("Fig. 2", "Sec. B"), words otherwise. */
const numbered = new Set("nos fig figs eq eqs vol vols p pp ch sec sect tab nr".split(" "));
/** May end a sentence: they do when a capital letter follows. */
const closing = new Set(
  [
    "etc al inc ltd co corp jr sr bros dept univ est ave blvd rd st sq max min avg std temp resp ext",
    "a.m p.m b.c a.d ph.d m.d b.sc m.sc d.c u.s u.k e.u u.n c.f o.d p.o s.p w.r.t q.d b.i.d t.i.d p.r.n",
    "cm mm km kg mg mcg ml dl oz lb lbs hr hrs min mins sec secs yr yrs mo mos wk wks ft mph",
    "jan feb mar apr jun jul aug sep sept oct nov dec mon tue tues wed thu thur thurs fri",
    "pt pts hx dx bx tx sx rx fx lat ant bilat",
  ].flatMap((line) => line.split(" ")),
);
/** Units that are words too: abbreviations behind a number alone. */
const unitsAfterNumbers = new Set("in m l g h s d c f".split(" "));
/** With these, a capital letter behind an initial begins a sentence rather than a name. */
const openers = new Set(
  [
    "a an the this that these those there here it its he she they we you i his her their our my",
    "no not all any some each both one two in on at for from with without by of to as after before during since",
    "if when while where although though because but and or so however also then what who why how is are was were",
  ].flatMap((line) => line.split(" ")),
);
/** A name of a day, a month or a time zone goes on with "5 p.m.". */
const timeNames =
  /^(?:mon|tues|wednes|thurs|fri|satur|sun)day|^(?:jan|febr)uary|^(?:march|april|may|june|july|august)$|^(?:septem|octo|novem|decem)ber|^(?:[ECMP][SD]?T|GMT|UTC|CES?T)$/i;

/** Where a line break can only be meant when the line had room for more. */
const narrowest = 40;
const bullet = /^\s*(?:[-*•‣▪·–—]|\(?\d{1,2}[.)]|\(?[a-z]\))\s/iu;
const sectionName = /^\s*\p{Lu}[\p{Lu} ]{2,40}:/u;

/**
 * The sentences of a text as people write them, without their closing marks.
 *
 * A sentence ends at `.` `!` `?` `;` `…` before white space, but not behind an abbreviation ("approx. 3 cm", "Dr. Lee", "e.g.
 * a mug"), an initial ("J. Smith") or a number's point; "etc.", "cm.", "p.m." and the like end one only before a capital
 * letter. It also ends at an empty line, before a bullet, an item of an enumeration or a section name ("IMPRESSION:"), and
 * at a line break before a capital letter where the line had room for the next word; other line breaks are white space,
 * since reports are often wrapped. Pieces without a letter or digit are dropped. Takes time in proportion to the text.
 *
 * Sentences taken apart once stay whole when they are taken apart again.
 *
 * These abbreviations are English. In other languages the platform's `Intl.Segmenter` says where a sentence of a block ends,
 * except behind a single letter ("z. B."), a title, or a number before the name of a month ("am 3. Mai"); a platform
 * without it splits as in English.
 *
 * @example proseSentences("Approx. 3.5 cm, e.g. a nodule. No edema") // ["Approx. 3.5 cm, e.g. a nodule", "No edema"]
 * @throws VillaError `InvalidArgument` for a language that is not one
 */
export function proseSentences(prose: string, options: ProseOptions = {}): string[] {
  checkText(prose, "A text");
  checkObject(options, "The options of proseSentences");
  const rule = foreignRule(options.language ?? "en");
  return blocksOf(prose)
    .flatMap((block) => (rule ? foreignSentences(block, rule) : sentencesOfBlock(block)))
    .filter((sentence) => /[\p{L}\p{N}]/u.test(sentence));
}

/** How {@link proseSentences} takes a text apart. */
export interface ProseOptions {
  /** Of the text, as a BCP 47 tag such as "de" or "pt-BR". Default "en". */
  readonly language?: string | undefined;
}

/** Whether a language is English, whose abbreviations, inflections and denials are known here. */
export function isEnglish(language: string | undefined): boolean {
  if (language === undefined) return true;
  checkText(language, "A language");
  return /^en(?:-|$)/i.test(language);
}

/** A row's text, and its sentences where the dataset keeps them. */
export interface SentencedText {
  readonly text: string;
  readonly sentences?: readonly string[] | undefined;
}

/**
 * The sentences that a dataset keeps of a text. A row without any, from an ingestion before they were kept, is split
 * where `joinSentences` had joined it.
 */
export function storedSentences(source: string | SentencedText): readonly string[] {
  if (typeof source !== "string") checkObject(source, "A row with a text");
  const { text, sentences }: SentencedText = typeof source === "string" ? { text: source } : source;
  checkText(text, "A text");
  return sentences ?? text.split(sentenceSeparator).flatMap((part) => proseSentences(part));
}

/** Stretches of a text that no sentence reaches beyond. */
function blocksOf(prose: string): string[] {
  const lines = prose.split(/\r\n|[\n\r\u2028\u2029]/);
  const widest = lines.reduce((most, line) => Math.max(most, line.trimEnd().length), narrowest);
  const blocks: string[][] = [];
  let before = "";
  for (const line of lines) {
    const isEmpty = line.trim() === "";
    const isNew = before === "" || bullet.test(line) || sectionName.test(line) || endsOnPurpose(before, line, widest);
    if (!isEmpty && isNew) blocks.push([]);
    if (!isEmpty) blocks.at(-1)!.push(line);
    before = isEmpty ? "" : line;
  }
  return blocks.map((block) => block.join(" "));
}

/** Whether a line ends before its margin although the next word had room, and that word is capitalised. */
function endsOnPurpose(line: string, next: string, widest: number): boolean {
  const [word = ""] = /\S+/.exec(next) ?? [];
  return (
    /^["“'‘([]?\p{Lu}/u.test(word) && line.trimEnd().length + 1 + word.length <= widest && !/[,:–-]\s*$/.test(line)
  );
}

function sentencesOfBlock(block: string): string[] {
  // Chinese and Japanese put no space behind a full stop.
  const words = block.replace(/[。！？；]+["”’」』]*/g, "$& ").match(/\S+/g) ?? [];
  const found: string[] = [];
  let current: string[] = [];
  /** The number that the enumeration would go on with; 0 outside of one. */
  let item = 0;
  const close = () => {
    if (current.length > 0) found.push(current.join(" "));
    current = [];
  };
  words.forEach((word, i) => {
    const next = words[i + 1];
    const isItem = item > 0 && next !== undefined && (word === `${item}.` || word === `${item})`);
    if (isItem) close();
    if (current.length === 0 && next !== undefined && bullet.test(`${word} `)) {
      const number = Number(/\d+/.exec(word)?.[0] ?? 0);
      if (number === 1 || isItem) item = number + 1;
      return;
    }
    const mark = endMark(word);
    if (!mark || !endsSentence(mark, { before: current, next })) {
      current.push(word);
      return;
    }
    current.push(mark.stem + mark.closers);
    if (mark.stem + mark.closers === "") current.pop();
    close();
  });
  close();
  return found;
}

/** A word that ends with what may end a sentence: the word without it, the marks, and quotes or brackets behind them. */
interface EndMark {
  readonly stem: string;
  readonly marks: string;
  readonly closers: string;
}

function endMark(word: string): EndMark | undefined {
  let closersFrom = word.length;
  while (closersFrom > 0 && `"'”’»)]」』`.includes(word[closersFrom - 1]!)) closersFrom--;
  let marksFrom = closersFrom;
  while (marksFrom > 0 && ".!?;…。！？；".includes(word[marksFrom - 1]!)) marksFrom--;
  if (marksFrom === closersFrom) return undefined;
  return {
    stem: word.slice(0, marksFrom),
    marks: word.slice(marksFrom, closersFrom),
    closers: word.slice(closersFrom),
  };
}

/** Whether a sentence ends here. @param context the words of the sentence before this one, and the word after it */
function endsSentence(
  { stem, marks, closers }: EndMark,
  { before, next }: { readonly before: readonly string[]; readonly next: string | undefined },
): boolean {
  if (next === undefined) return true;
  const following = next.replace(/^["“”'‘’«([]+/u, "");
  const isCapital = /^[\p{Lu}\p{Lo}]/u.test(following);
  const [follower = ""] = /^\p{L}*/u.exec(following) ?? [];
  // «"Is it red?" she asked», "and then … nothing"
  if (/^\p{Ll}/u.test(following) && (closers !== "" || /^(?:…|\.\.+)$/.test(marks))) return false;
  if (marks !== ".") return true;

  const own = stem.replace(/^["“'‘([]+/u, "");
  const name = own.toLowerCase();
  const last = before.at(-1) ?? "";
  if (titles.has(name) || leading.has(name)) return false;
  if (name === "st" && isCapital && !/^\p{Lu}/u.test(last)) return false; // "St. Mary", but "Main St."
  if (name === "no") return !/^\d/.test(following);
  if (numbered.has(name)) return !/^(?:[A-Z]?\d|[IVX]+\b|[A-Z]\b)/.test(following);
  if (unitsAfterNumbers.has(name) && /\d$/.test(last)) return isCapital;
  if (closing.has(name)) {
    const isAbbreviation = following[follower.length] === "." && closing.has(follower.toLowerCase());
    const goesOn = /^[ap]\.m$/.test(name) && timeNames.test(follower);
    return isCapital && !isAbbreviation && !goesOn;
  }
  const opens = openers.has(follower.toLowerCase());
  if (/^(?:\p{Lu}\.)+\p{Lu}$/u.test(own)) return isCapital && opens; // "U.S. Army", "J.R.R. Tolkien"
  if (/^\p{Lu}$/u.test(own) && isCapital && !opens) {
    // An initial of a name: behind another name or a title, or at the beginning.
    return !(last === "" || /^\p{Lu}/u.test(last));
  }
  return true;
}

/** How the sentences of a language other than English end. */
interface ForeignRule {
  readonly segmenter: Intl.Segmenter;
  /** Names of the months, in lower case. */
  readonly months: ReadonlySet<string>;
}

const foreignRules = new Map<string, ForeignRule | undefined>();

/** @returns undefined for English, and where the platform knows no sentences */
function foreignRule(language: string): ForeignRule | undefined {
  if (foreignRules.has(language)) return foreignRules.get(language);
  const rule = isEnglish(language) ? undefined : makeForeignRule(language);
  foreignRules.set(language, rule);
  return rule;
}

function makeForeignRule(language: string): ForeignRule | undefined {
  try {
    if (Intl.Segmenter === undefined) return undefined;
    if (Intl.Segmenter.supportedLocalesOf([language]).length === 0) throw new RangeError("not known");
    const format = new Intl.DateTimeFormat(language, { day: "numeric", month: "long", timeZone: "UTC" });
    const months = Array.from({ length: 12 }, (_, month) => {
      const parts = format.formatToParts(new Date(Date.UTC(2000, month, 3)));
      return parts.find(({ type }) => type === "month")?.value.toLowerCase() ?? "";
    });
    return { segmenter: new Intl.Segmenter(language, { granularity: "sentence" }), months: new Set(months) };
  } catch (cause) {
    throw new VillaError(
      "InvalidArgument",
      `The language ${quote(language)} is not known here; give a tag such as en, de or pt-BR.`,
      { cause },
    );
  }
}

function foreignSentences(block: string, { segmenter, months }: ForeignRule): string[] {
  const pieces = block
    .split(sentenceSeparator)
    .flatMap((part) => segmentsOf(part, segmenter))
    .map((piece) => piece.trim())
    .filter((piece) => piece !== "");
  const found: string[] = [];
  pieces.forEach((piece, i) => {
    const before = pieces[i - 1];
    if (before !== undefined && goesOn(before, piece, months)) found.push(`${found.pop()} ${piece}`);
    else found.push(piece);
  });
  return found.map((sentence) => {
    const words = sentence.replace(bullet, "").trim().split(/\s+/);
    const mark = endMark(words.at(-1)!);
    return [...words.slice(0, -1), ...(mark ? [mark.stem + mark.closers] : words.slice(-1))].join(" ").trim();
  });
}

/** Characters that are segmented at once: the platform's time may grow with their square. Longer sentences are cut. */
const widestWindow = 2000;

/** All segments of a text, in time that grows with its length alone. */
function segmentsOf(text: string, segmenter: Intl.Segmenter): string[] {
  const found: string[] = [];
  for (let from = 0; from < text.length; ) {
    const window = text.slice(from, from + widestWindow);
    const segments = Array.from(segmenter.segment(window), ({ segment }) => segment);
    // The last one may go on behind the window.
    const isWhole = from + window.length === text.length || segments.length === 1;
    const whole = isWhole ? segments : segments.slice(0, -1);
    found.push(...whole);
    from += whole.reduce((sum, { length }) => sum + length, 0);
  }
  return found;
}

/** Whether a full stop does not end its sentence. */
function goesOn(before: string, after: string, months: ReadonlySet<string>): boolean {
  // Longer words are no abbreviations: from each letter of a long one, the search would go to its end.
  const word = /(?:^|[^\p{L}\p{N}])([\p{L}\p{N}]{1,20})\.$/u.exec(before.slice(-22))?.[1];
  if (word === undefined) return false;
  if (/^\p{L}$/u.test(word) || titles.has(word.toLowerCase())) return true;
  const [next = ""] = /^\p{L}+/u.exec(after) ?? [];
  return (/^\d+$/.test(word) && months.has(next.toLowerCase())) || (leading.has(word.toLowerCase()) && next !== "");
}

import { VillaError } from "../../errors.ts";
import { checkList, checkText, isText } from "../../formats/check-arguments.ts";

/** Sections that reports have, and how they are abbreviated. A heading of these ends the section before it. */
const usual: ReadonlyMap<string, readonly string[]> = new Map(
  [
    "findings: finding, find, fnd, observations, observation",
    "impression: impressions, imp, impr",
    "conclusion: conclusions, concl, summary, opinion, assessment",
    "indication: indications, ind, reason for exam, reason for examination, reason for study, reason for this examination",
    "history: clinical history, clinical information, clinical indication, clinical data, clinical details, hx, patient history",
    "comparison: comparisons, comp, prior studies, compared to",
    "technique: procedure, procedures, method, protocol, views",
    "examination: exam, study, final report, wet read, preliminary report, type of examination",
    "recommendation: recommendations, rec, recs, plan, notification, notifications, addendum, attestation, signed by, dictated by",
  ].map((line): [string, string[]] => {
    const [name, others] = line.split(": ") as [string, string];
    return [name, others.split(", ")];
  }),
);

const nameOf = new Map([...usual].flatMap(([name, others]) => [name, ...others].map((each) => [each, name] as const)));

/** A number or letter before a heading, or Markdown's marks. */
const enumeration = String.raw`[^\S\n]{0,80}(?:[#*_>]{1,8}[^\S\n]{0,4}|\(?(?:\d{1,2}|[a-z]|[ivx]{1,4})[.)][^\S\n]{0,4})?[*_]{0,3}`;

/**
 * The text of some sections of a report, in the order in which the report has them.
 *
 * A heading stands at the beginning of a line or behind the end of a sentence, before a colon or a dash, or alone on its
 * line; whatever its case, numbered or not ("2. Findings:", "**FINDINGS**", "IMP:"). A section ends with the next heading
 * of those that were asked for or that reports usually have: "LUNGS:" within the findings is part of them. The usual names
 * and their abbreviations count as one ("IMP" for "IMPRESSION", "Clinical history" for "HISTORY"), and a heading of two
 * ("FINDINGS AND IMPRESSION:") belongs to both. Takes time in proportion to the report.
 *
 * @param names of the sections, in any case; others than the usual ones are looked for as they are
 * @returns the sections' texts without headings, "" where the report has none of them
 * @throws VillaError `InvalidArgument` for a name without a letter
 * @example reportSections("INDICATION: Cough.\nFINDINGS: No edema.", ["findings"]) // "No edema."
 */
export function reportSections(report: string, names: readonly string[]): string {
  checkText(report, "A report");
  checkList(names, "The names of sections", isText);
  const wanted = new Set(names.map(canonical));
  if ([...wanted].some((name) => !/\p{L}/u.test(name))) {
    throw new VillaError("InvalidArgument", "The name of a section has no letter.");
  }
  const found: string[] = [];
  let from: number | undefined;
  for (const { start, end, parts } of headingsOf(report, wanted)) {
    if (from !== undefined) found.push(report.slice(from, start));
    from = parts.some((part) => wanted.has(part)) ? end : undefined;
  }
  if (from !== undefined) found.push(report.slice(from));
  return found
    .map((text) => text.trim())
    .filter((text) => /[\p{L}\p{N}]/u.test(text))
    .join("\n\n");
}

interface Heading {
  readonly start: number;
  /** Where its text begins. */
  readonly end: number;
  /** The sections that it names. */
  readonly parts: readonly string[];
}

function headingsOf(report: string, wanted: ReadonlySet<string>): Heading[] {
  const known = [...new Set([...nameOf.keys(), ...wanted])].sort((a, b) => b.length - a.length);
  const one = `(?:${known.map((name) => name.split(" ").map(escaped).join("[^\\S\\n]{1,4}")).join("|")})`;
  const pattern = new RegExp(
    String.raw`(?<=^|\n|[.!?:;][^\S\n]{1,4})(${enumeration})(${one}(?:[^\S\n]{0,4}(?:\band\b|&|/|,)[^\S\n]{0,4}${one})?)[*_]{0,3}[^\S\n]{0,20}(?::[*_]{0,3}|[–—-](?=\s)|(?=\r?\n|$))`,
    "giu",
  );
  return Array.from(report.matchAll(pattern)).flatMap(({ 0: whole, 1: before = "", 2: title = "", index }) => {
    const isLine = index === 0 || report[index - 1] === "\n";
    // Within a line, "seen on exam: …" is no heading; "FINDINGS:" is one.
    const stands = isLine || (whole.trimEnd().endsWith(":") && title === title.toUpperCase() && before.trim() === "");
    if (!stands) return [];
    const parts = title.split(/\band\b|[&/,]/i).map(canonical);
    return [{ start: index, end: index + whole.length, parts: [canonical(title), ...parts] }];
  });
}

function canonical(name: string): string {
  const plain = name.trim().replace(/:$/, "").trim().replace(/\s+/g, " ").toLowerCase();
  return nameOf.get(plain) ?? plain;
}

const escaped = (word: string): string => word.replace(/[.*+?^${}()|[\]\\/-]/g, "\\$&");

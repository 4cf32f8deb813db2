import { checkArgument } from "@villa/data";
import { decodeHTML } from "entities/decode";

/**
 * What CLIP does to a text before splitting it: repairs characters, unescapes HTML twice, makes every run of white
 * space one blank, and lower-cases.
 */
export function cleanText(text: string): string {
  checkArgument("text", text, "text");

  const unescaped = unescapeHtml(unescapeHtml(repairCharacters(text)));
  return unescaped
    .trim()
    .replace(/\p{White_Space}+/gu, " ")
    .trim()
    .toLowerCase();
}

/**
 * The context-free repairs of the `ftfy` Python package, which CLIP runs first: curly quotes become straight, ligatures
 * and full-width characters plain, control characters go, and the result is NFC. ftfy's guess-work on wrongly decoded
 * text ("mojibake") is left out: it depends on statistics of its version.
 */
export function repairCharacters(text: string): string {
  return text
    .replace(terminalEscape, "")
    .replace(/[\u0080-\u009f]/g, (char) => windows1252[char.charCodeAt(0) - 0x80]!)
    .replace(/[ĲĳŉǱ-ǳǄ-ǌﬀ-ﬆ]/g, (char) => ligatures[char] ?? char)
    .replace(/[\uff01-\uffef\u3000]/g, (char) => char.normalize("NFKC"))
    .replace(/[\u02bc\u2018-\u201b]/g, "'")
    .replace(/[\u201c-\u201f]/g, '"')
    .replace(loneSurrogate, "\ufffd")
    .replace(controlCharacters, "")
    .normalize("NFC");
}

/** Python's `html.unescape`. */
export function unescapeHtml(text: string): string {
  return text.replace(/&(#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[^\t\n\f <&#;]{1,32};?)/g, (match: string, reference: string) =>
    reference.startsWith("#") ? numericReference(reference) : decodeHTML(match),
  );
}

/** Windows-1252 from 0x80 on, where Latin-1 has control characters. Node's own decoder takes the two for the same. */
const windows1252 = "€\u0081‚ƒ„…†‡ˆ‰Š‹Œ\u008dŽ\u008f\u0090‘’“”•–—˜™š›œ\u009džŸ";
// Written as strings: linters rightly distrust control characters inside a regular expression.
const escapeCharacter = String.fromCharCode(0x1b);
const terminalEscape = new RegExp(`${escapeCharacter}\\[[\\d;]*[a-zA-Z]`, "g");
const controlCharacters = new RegExp(`[${controlCharacterSet()}]`, "g");
const loneSurrogate = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/g;

const ligatures: Readonly<Record<string, string>> = {
  Ĳ: "IJ",
  ĳ: "ij",
  ŉ: "ʼn",
  Ǳ: "DZ",
  ǲ: "Dz",
  ǳ: "dz",
  Ǆ: "DŽ",
  ǅ: "Dž",
  ǆ: "dž",
  Ǉ: "LJ",
  ǈ: "Lj",
  ǉ: "lj",
  Ǌ: "NJ",
  ǋ: "Nj",
  ǌ: "nj",
  ﬀ: "ff",
  ﬁ: "fi",
  ﬂ: "fl",
  ﬃ: "ffi",
  ﬄ: "ffl",
  ﬅ: "ſt",
  ﬆ: "st",
};

function numericReference(reference: string): string {
  const digits = reference.replace(/[#;xX]/g, "");
  const code = Number.parseInt(digits, /^#[xX]/.test(reference) ? 16 : 10);
  if (code === 0) return "\ufffd";
  if (code === 0x0d) return "\r";
  if (code >= 0x80 && code <= 0x9f) return windows1252[code - 0x80]!;
  if ((code >= 0xd800 && code <= 0xdfff) || !(code <= 0x10ffff)) return "\ufffd";
  return isInvalidCodePoint(code) ? "" : String.fromCodePoint(code);
}

/** Control characters and non-characters, which Python drops. */
function isInvalidCodePoint(code: number): boolean {
  const control = (code >= 0x1 && code <= 0x8) || code === 0xb || (code >= 0xe && code <= 0x1f) || code === 0x7f;
  return control || (code >= 0xfdd0 && code <= 0xfdef) || (code & 0xfffe) === 0xfffe;
}

/** What ftfy removes, as the inside of a character class. */
function controlCharacterSet(): string {
  const ranges = [
    [0x00, 0x08],
    [0x0b, 0x0b],
    [0x0e, 0x1f],
    [0x7f, 0x7f],
    [0x206a, 0x206f],
    [0xfeff, 0xfeff],
    [0xfff9, 0xfffc],
  ] as const;
  return ranges.map(([from, to]) => `${String.fromCharCode(from)}-${String.fromCharCode(to)}`).join("");
}

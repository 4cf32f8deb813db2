import { VillaError } from "../errors.ts";
import { checkText } from "../formats/check-arguments.ts";
import { otherKind } from "../formats/recognize.ts";

/** A string, or an integer of at least 16 digits that is not part of another number. */
const stringOrLongInteger = /"[^"\\]*(?:\\.[^"\\]*)*"|(?<![\d.eE+-])-?\d{16,}(?![\d.eE])/g;

/** Where a text may have such an integer: behind a point digits are decimals, of which files of boxes are full. */
const longInteger = /(?<![\d.])\d{16}/;

/**
 * Reads JSON as people's tools write it: a byte order mark is dropped, and an integer that a double cannot hold, such as
 * an id above 2⁵³, comes as the text of its digits instead of another number.
 *
 * @param name what errors call the text
 * @throws VillaError `InvalidArgument` unless `text` is a string; `InvalidFile`, which says so when the text has Python's NaN or Infinity
 */
export function parseJson(text: string, name = "The text"): unknown {
  checkText(text, "JSON");
  const json = text.startsWith("\ufeff") ? text.slice(1) : text;
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    const foreign = /[[:,]\s*(-?(?:NaN|Infinity))\s*[,}\]]/.exec(json)?.[1];
    const other = /^\s*[{[]/.test(json) ? "" : otherKind(new TextEncoder().encode(json.slice(0, 64)));
    const why = foreign
      ? `holds ${foreign}, which JSON does not have; write null instead`
      : `is not valid JSON${other}`;
    throw new VillaError("InvalidFile", `${name} ${why}.`, { cause });
  }
  if (!longInteger.test(json)) return value;
  return JSON.parse(
    json.replace(stringOrLongInteger, (part) =>
      part.startsWith('"') || Number.isSafeInteger(Number(part)) ? part : `"${part}"`,
    ),
  );
}

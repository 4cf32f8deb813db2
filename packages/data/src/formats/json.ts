import { VillaError } from "../errors.ts";
import { checkBytes, checkText } from "./check-arguments.ts";
import { otherKind } from "./recognize.ts";

/**
 * Parses JSON without losing what JavaScript's numbers cannot hold: whole numbers beyond 2⁵³, such as ids, become texts of
 * their digits. A byte-order mark is skipped.
 *
 * @param what begins the error's sentence, such as a path
 * @throws VillaError `InvalidFile` saying what is wrong: NaN and Infinity, which Python writes, a Git LFS pointer, nothing at
 *   all, or where the text stops being JSON
 */
export function parseJson(text: string, what = "This"): unknown {
  checkText(text, "A JSON text");
  const plain = text.startsWith("\ufeff") ? text.slice(1) : text;
  try {
    return JSON.parse(largeNumber.test(plain) ? withExactDigits(plain) : plain);
  } catch (cause) {
    throw new VillaError("InvalidFile", `${what} is not valid JSON${reason(plain, cause as Error)}.`, { cause });
  }
}

/**
 * Decodes and parses a JSON file.
 *
 * @throws VillaError `InvalidFile` for what is not JSON in UTF-8, naming UTF-16 and other kinds of file
 */
export function decodeJson(bytes: Uint8Array, what = "This"): unknown {
  checkBytes(bytes);
  if ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)) {
    throw new VillaError("InvalidFile", `${what} is in UTF-16, as its first bytes say; save it as UTF-8.`);
  }
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new VillaError("InvalidFile", `${what} is not JSON in UTF-8${otherKind(bytes)}.`, { cause });
  }
  return parseJson(text, what);
}

/** Digits that may be a number beyond 2⁵³; behind a point they are decimals. */
const largeNumber = /(?<![\d.])\d{16}/;
/** A string that nothing ends reaches to the end of the text, so that no place is looked at twice. */
const stringOrNumber = /"(?:[^"\\]|\\[\s\S])*(?:"|$)|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/g;
const stringOrConstant = /"(?:[^"\\]|\\[\s\S])*(?:"|$)|\b(?:NaN|Infinity)\b/g;

function withExactDigits(text: string): string {
  return text.replace(stringOrNumber, (token) =>
    token.length >= 16 && /^-?\d+$/.test(token) && !Number.isSafeInteger(Number(token)) ? `"${token}"` : token,
  );
}

function reason(text: string, error: Error): string {
  if (text.trim() === "") return "; it is empty";
  const kind = otherKind(new TextEncoder().encode(text.slice(0, 64)));
  if (kind !== "" && !kind.includes("JSON")) return kind;
  let constant: string | undefined;
  for (const [token] of text.matchAll(stringOrConstant)) {
    if (token.startsWith('"')) continue;
    constant = token;
    break;
  }
  if (constant !== undefined) {
    return `: it holds ${constant}, which JSON does not have (Python writes it; make it null, or write the file with json.dump(…, allow_nan=False) to see where it comes from)`;
  }
  return `: ${error.message}`;
}

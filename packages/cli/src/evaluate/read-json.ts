import { VillaError } from "@villa/data";
import { readFileBytes, withPath } from "@villa/data/node";

/** Longer files do not fit into one string; they are read in pieces of about this many bytes. */
const pieceBytes = 2 ** 27;

/**
 * Reads a JSON file of any size, such as annotations or results of detectors.
 *
 * A byte-order mark is skipped. `NaN` and `Infinity`, which Python writes though JSON has no such numbers, become
 * JavaScript's own, so that whoever checks the numbers can say where they are.
 *
 * @param options `piece`: bytes read at a time of a longer file
 * @throws VillaError `NotFound`, `FileSystem`, `InvalidFile` for a file that is not JSON in UTF-8
 */
export async function readJsonFile(
  path: string,
  options: { readonly piece?: number | undefined } = {},
): Promise<unknown> {
  const { piece = pieceBytes } = options;
  const bytes = await readFileBytes(path);
  return withPath(path, () => {
    const start = bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
    if ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)) {
      throw new VillaError("InvalidFile", "The file is in UTF-16; save it as UTF-8.");
    }
    if (bytes.length <= piece) return parse(bytes.subarray(start));
    return new LargeJson(bytes, piece).value(start);
  });
}

function parse(bytes: Uint8Array): unknown {
  let text: string;
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new VillaError("InvalidFile", "The file is not text in UTF-8.", { cause });
  }
  if (text.trim() === "") throw new VillaError("InvalidFile", "The file is empty.");
  try {
    return JSON.parse(text);
  } catch (error) {
    const tolerant = withPythonNumbers(text);
    if (tolerant !== undefined) return tolerant;
    throw new VillaError("InvalidFile", `The file is not JSON: ${(error as Error).message}.`, { cause: error });
  }
}

const pythonNumber = /"(?:[^"\\]|\\.)*"|-?\b(?:NaN|Infinity)\b/g;
const mark = "\u0000number:";

/** The value with Python's NaN and Infinity; undefined where that is not what is wrong with the text. */
function withPythonNumbers(text: string): unknown {
  let found = false;
  const marked = text.replace(pythonNumber, (token) => {
    if (token.startsWith('"')) return token;
    found = true;
    return JSON.stringify(mark + token);
  });
  if (!found) return undefined;
  try {
    return JSON.parse(marked, (_, value: unknown) =>
      typeof value === "string" && value.startsWith(mark) ? Number(value.slice(mark.length)) : value,
    );
  } catch {
    return undefined;
  }
}

const [quote, backslash, comma, colon, openList, closeList, openObject, closeObject] = Array.from('"\\,:[]{}', (each) =>
  each.charCodeAt(0),
) as [number, number, number, number, number, number, number, number];

/** A long list, or an object of long lists: elements are found by their brackets and parsed some at a time. */
class LargeJson {
  readonly #bytes: Uint8Array;
  readonly #piece: number;

  constructor(bytes: Uint8Array, piece: number) {
    this.#bytes = bytes;
    this.#piece = piece;
  }

  value(start: number): unknown {
    const at = this.#skipSpace(start);
    if (this.#bytes[at] === openList) return this.#list(at).value;
    if (this.#bytes[at] === openObject) return this.#object(at);
    return parse(this.#bytes.subarray(at));
  }

  #object(start: number): Record<string, unknown> {
    const result = new Map<string, unknown>();
    let at = this.#skipSpace(start + 1);
    while (this.#bytes[at] !== closeObject) {
      const keyEnd = this.#elementEnd(at);
      const key = parse(this.#bytes.subarray(at, keyEnd));
      at = this.#skipSpace(keyEnd);
      if (this.#bytes[at] !== colon || typeof key !== "string") throw broken(at);
      at = this.#skipSpace(at + 1);
      const isList = this.#bytes[at] === openList;
      const read = isList ? this.#list(at) : { end: this.#elementEnd(at), value: undefined };
      result.set(key, isList ? read.value : parse(this.#bytes.subarray(at, read.end)));
      at = this.#skipSpace(read.end);
      if (this.#bytes[at] === comma) at = this.#skipSpace(at + 1);
      else if (this.#bytes[at] !== closeObject) throw broken(at);
    }
    return Object.fromEntries(result);
  }

  #list(start: number): { value: unknown[]; end: number } {
    const value: unknown[] = [];
    let at = this.#skipSpace(start + 1);
    let first = at; // of the elements that are not parsed yet
    while (this.#bytes[at] !== closeList) {
      const end = this.#elementEnd(at);
      at = this.#skipSpace(end);
      const isLast = this.#bytes[at] === closeList;
      if (!isLast && this.#bytes[at] !== comma) throw broken(at);
      if (isLast || end - first > this.#piece) {
        for (const element of this.#elements(first, end)) value.push(element);
        first = at + 1;
      }
      if (!isLast) at = this.#skipSpace(at + 1);
    }
    return { value, end: at + 1 };
  }

  /** Parses elements that stand one after another. */
  #elements(start: number, end: number): unknown[] {
    const list = new Uint8Array(end - start + 2);
    list[0] = openList;
    list.set(this.#bytes.subarray(start, end), 1);
    list[list.length - 1] = closeList;
    return parse(list) as unknown[];
  }

  /** Where the element that begins at `start` ends. */
  #elementEnd(start: number): number {
    const bytes = this.#bytes;
    let depth = 0;
    for (let at = start; at < bytes.length; at++) {
      const byte = bytes[at];
      if (byte === quote) {
        for (at++; at < bytes.length && bytes[at] !== quote; at++) if (bytes[at] === backslash) at++;
      } else if (byte === openList || byte === openObject) depth++;
      else if (byte === closeList || byte === closeObject) {
        if (depth === 0) return at;
        depth--;
        if (depth === 0) return at + 1;
      } else if (depth === 0 && (byte === comma || byte === colon)) return at;
    }
    throw new VillaError("InvalidFile", "The file ends in the middle; it was not written or copied completely.");
  }

  #skipSpace(start: number): number {
    let at = start;
    while (this.#bytes[at] === 0x20 || (this.#bytes[at]! >= 0x09 && this.#bytes[at]! <= 0x0d)) at++;
    if (at >= this.#bytes.length) {
      throw new VillaError("InvalidFile", "The file ends in the middle; it was not written or copied completely.");
    }
    return at;
  }
}

function broken(at: number): VillaError {
  return new VillaError("InvalidFile", `The file is not JSON: something unexpected stands at byte ${at}.`);
}

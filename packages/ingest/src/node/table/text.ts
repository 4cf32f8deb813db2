import { createReadStream } from "node:fs";
import { VillaError } from "@villa/data";
import { fileError } from "@villa/data/node";

/**
 * The text of a file, piece by piece. A byte order mark is dropped.
 *
 * @throws VillaError `InvalidFile` naming the line that is not of this encoding, `InvalidArgument` for an encoding that is
 *   not known, `NotFound`, `FileSystem`
 */
export async function* decodedText(path: string, encoding: string): AsyncGenerator<string> {
  const decoder = makeDecoder(encoding, true);
  let isFirst = true;
  let line = 1;
  let before = new Uint8Array(0);
  try {
    for await (const chunk of createReadStream(path) as AsyncIterable<Uint8Array>) {
      if (isFirst) checkEncoding(path, chunk, decoder.encoding);
      isFirst = false;
      const text = decode(decoder, chunk, () => line + linesBeforeDamage(before, chunk, encoding), path, encoding);
      line += count(text, "\n");
      before = chunk.slice(-4);
      yield text;
    }
  } catch (error) {
    throw fileError(error, { path, doing: "read" });
  }
  const rest = decode(decoder, undefined, () => line, path, encoding);
  if (rest !== "") yield rest;
}

/** The lines of a text, without their ends, empty ones included. */
export async function* linesOf(pieces: AsyncIterable<string>): AsyncGenerator<string> {
  let rest = "";
  for await (const piece of pieces) {
    const lines = (rest + piece).split("\n");
    rest = lines.pop()!;
    for (const line of lines) yield line.endsWith("\r") ? line.slice(0, -1) : line;
  }
  if (rest !== "") yield rest;
}

function makeDecoder(encoding: string, fatal: boolean): TextDecoder {
  try {
    return new TextDecoder(encoding, { fatal });
  } catch (cause) {
    throw new VillaError(
      "InvalidArgument",
      `The encoding "${encoding}" is not known here; use utf-8, windows-1252, shift_jis or another name of the WHATWG list.`,
      { cause },
    );
  }
}

function decode(
  decoder: TextDecoder,
  chunk: Uint8Array | undefined,
  line: () => number,
  path: string,
  encoding: string,
): string {
  try {
    return chunk ? decoder.decode(chunk, { stream: true }) : decoder.decode();
  } catch (cause) {
    throw new VillaError(
      "InvalidFile",
      `Line ${line()} of ${path} is not ${encoding}; give --encoding (windows-1252 for most western spreadsheets), or convert the file to utf-8.`,
      { cause },
    );
  }
}

/**
 * What the first bytes of a text say about its encoding: by a byte order mark, or the zeros between Latin letters.
 *
 * @returns a name of the WHATWG list
 */
export function encodingOf([first, second, third, fourth]: Uint8Array): "utf-8" | "utf-16le" | "utf-16be" {
  const isZero = (byte: number | undefined): boolean => byte === 0;
  if ((first === 0xff && second === 0xfe) || (first && isZero(second) && third && isZero(fourth))) return "utf-16le";
  if ((first === 0xfe && second === 0xff) || (isZero(first) && second && isZero(third) && fourth)) return "utf-16be";
  return "utf-8";
}

/** One of the two orders of utf-16 read as the other gives words of other scripts, and no error. */
function checkEncoding(path: string, start: Uint8Array, encoding: string): void {
  const actual = encodingOf(start);
  // Bytes that say nothing may be of any encoding: text that is not Latin has no zeros in utf-16 either.
  if (actual === "utf-8" || actual === encoding) return;
  throw new VillaError(
    "InvalidFile",
    `Line 1 of ${path} is not ${encoding}; give --encoding ${actual}, as its first bytes say, or convert the file to utf-8.`,
  );
}

/** Lines before the first character that is not of the encoding. */
function linesBeforeDamage(before: Uint8Array, chunk: Uint8Array, encoding: string): number {
  const text = makeDecoder(encoding, false).decode(Buffer.concat([before, chunk]));
  // What precedes the chunk may begin within a character.
  const damage = text.indexOf("\ufffd", before.length > 0 ? 3 : 0);
  return count(text.slice(0, Math.max(0, damage)), "\n") - count(new TextDecoder("latin1").decode(before), "\n");
}

function count(text: string, character: string): number {
  return text.split(character).length - 1;
}

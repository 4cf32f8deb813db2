import { VillaError } from "../../errors.ts";
import type { ByteReader } from "./byte-reader.ts";
import { opcode } from "./opcodes.ts";

/** Integers beyond this many bytes are refused: nothing we read has them. */
const longestInteger = 128;

/** The value that an operation spells out itself: None, booleans, numbers, strings, bytes. `undefined` for others. */
export function readLiteral(code: number, input: ByteReader): unknown {
  switch (code) {
    case opcode.NONE:
      return null;
    case opcode.NEWTRUE:
      return true;
    case opcode.NEWFALSE:
      return false;
    case opcode.INT:
      return parseIntegerLine(input.line());
    case opcode.LONG:
      return parseInteger(input.line().replace(/L$/, ""));
    case opcode.BININT:
      return input.int32();
    case opcode.BININT1:
      return input.uint8();
    case opcode.BININT2:
      return input.uint16();
    case opcode.LONG1:
      return longInteger(input, input.uint8());
    case opcode.LONG4:
      return longInteger(input, input.uint32());
    case opcode.FLOAT:
      return parseFloatLine(input.line());
    case opcode.BINFLOAT:
      return input.float64BigEndian();

    case opcode.STRING:
      return parseQuoted(input.line());
    case opcode.BINSTRING:
      return input.latin1(input.uint32());
    case opcode.SHORT_BINSTRING:
      return input.latin1(input.uint8());
    case opcode.UNICODE:
      return parseRawUnicode(input.line());
    case opcode.SHORT_BINUNICODE:
      return input.utf8(input.uint8());
    case opcode.BINUNICODE:
      return input.utf8(input.uint32());
    case opcode.BINUNICODE8:
      return input.utf8(input.uint64());
    case opcode.SHORT_BINBYTES:
      return input.bytes(input.uint8());
    case opcode.BINBYTES:
      return input.bytes(input.uint32());
    case opcode.BINBYTES8:
    case opcode.BYTEARRAY8:
      return input.bytes(input.uint64());

    default:
      return undefined;
  }
}

/** Python's arbitrarily long integers, little-endian two's complement. */
function longInteger(input: ByteReader, length: number): number | bigint {
  if (length > longestInteger)
    throw new VillaError(
      "UnsafeFile",
      `The pickle holds an integer of ${length} bytes; at most ${longestInteger} are read.`,
    );
  const bytes = input.bytes(length);
  let value = 0n;
  for (let i = length - 1; i >= 0; i--) value = (value << 8n) | BigInt(bytes[i]!);
  return smallest(BigInt.asIntN(length * 8, value));
}

/** Numbers where exact, bigint beyond. */
function smallest(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

function parseInteger(text: string): number | bigint {
  if (!/^[+-]?\d{1,300}$/.test(text)) throw malformed("a malformed number");
  return smallest(BigInt(text));
}

const pythonFloat = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/;
const specialFloats = new Map([
  ["inf", Number.POSITIVE_INFINITY],
  ["-inf", Number.NEGATIVE_INFINITY],
  ["nan", Number.NaN],
  ["-nan", Number.NaN],
]);

/** What Python's `repr` of a float gives, infinities and NaN included. */
function parseFloatLine(text: string): number {
  const special = specialFloats.get(text);
  if (special !== undefined) return special;
  if (!pythonFloat.test(text)) throw malformed("a malformed number");
  return Number(text);
}

/** The number of a memo entry, written in decimal. */
export function parseIndex(text: string): number {
  if (!/^\d{1,10}$/.test(text)) throw malformed("a malformed reference");
  return Number(text);
}

/** Protocol 0 writes booleans as the integers 00 and 01. */
function parseIntegerLine(text: string): number | bigint | boolean {
  if (text === "00") return false;
  if (text === "01") return true;
  return parseInteger(text);
}

const escapes = new Map(Object.entries({ n: "\n", t: "\t", r: "\r", a: "\x07", b: "\b", f: "\f", v: "\v", "\n": "" }));

/** A Python 2 string literal. Its bytes become characters of the same number. */
function parseQuoted(text: string): string {
  const match = /^(['"])(.*)\1$/s.exec(text.trim());
  if (!match) throw malformed("a string without quotes");
  return match[2]!.replace(/\\(x[0-9a-fA-F]{2}|[0-7]{1,3}|.)/gs, (_, code: string) => {
    if (code.length === 3 && code.startsWith("x")) return String.fromCharCode(Number.parseInt(code.slice(1), 16));
    if (/^[0-7]/.test(code)) return String.fromCharCode(Number.parseInt(code, 8) & 255);
    if (code === "\\" || code === "'" || code === '"') return code;
    return escapes.get(code) ?? `\\${code}`;
  });
}

function parseRawUnicode(text: string): string {
  return text.replace(/\\u([0-9a-fA-F]{4})|\\U([0-9a-fA-F]{8})/g, (_, short?: string, long?: string) => {
    const code = Number.parseInt((short ?? long)!, 16);
    if (code > 0x10ffff) throw malformed("an invalid character");
    return String.fromCodePoint(code);
  });
}

/** The error for anything that no pickle contains. */
export function malformed(what: string): VillaError {
  return new VillaError("InvalidFile", `The pickle is malformed: it has ${what}.`);
}

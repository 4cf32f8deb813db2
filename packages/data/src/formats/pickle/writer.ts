import { VillaError } from "../../errors.ts";
import { describe } from "../describe.ts";
import { opcode } from "./opcodes.ts";

/** Writes a value that only one kind of file knows (a tensor, an array); false when it is not such a value. */
export type PickleExtension = (writer: PickleWriter, value: unknown) => boolean;

/** A Python float where a JavaScript number is whole: `new PythonFloat(1)` is written as 1.0, not 1. */
export class PythonFloat {
  readonly value: number;
  constructor(value: number) {
    if (typeof value !== "number") {
      throw new VillaError("InvalidArgument", `A Python float must be given as a number, not ${describe(value)}.`);
    }
    this.value = value;
  }
}

const deepest = 1000;

/**
 * Writes Python pickles. Null, booleans, numbers (whole ones as int), bigints, strings, `Uint8Array` (bytes), arrays
 * (lists), Maps and plain objects (dicts) are known; extensions add the rest.
 */
export class PickleWriter {
  readonly protocol: 2 | 3;
  readonly #extensions: readonly PickleExtension[];
  #bytes = new Uint8Array(1024);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;
  #depth = 0;
  /** Globals are memoised: they repeat for each tensor. */
  readonly #globals = new Map<string, number>();

  constructor(protocol: 2 | 3, extensions: readonly PickleExtension[] = []) {
    this.protocol = protocol;
    this.#extensions = extensions;
    this.op(opcode.PROTO);
    this.uint8(protocol);
  }

  /** Ends the pickle and returns its bytes. */
  finish(): Uint8Array {
    this.op(opcode.STOP);
    return this.#bytes.slice(0, this.#length);
  }

  value(value: unknown): void {
    if (this.#extensions.some((extension) => extension(this, value))) return;
    if (value === null || value === undefined) this.op(opcode.NONE);
    else if (typeof value === "boolean") this.op(value ? opcode.NEWTRUE : opcode.NEWFALSE);
    else if (typeof value === "number") this.#number(value);
    else if (typeof value === "bigint") this.#bigint(value);
    else if (typeof value === "string") this.string(value);
    else if (value instanceof PythonFloat) this.#float(value.value);
    else if (value instanceof Uint8Array) this.byteString(value);
    else if (value instanceof Map) this.dict(value);
    else if (Array.isArray(value)) this.list(value);
    else if (isPlainObject(value)) this.dict(Object.entries(value));
    else throw new VillaError("InvalidArgument", `A Python pickle cannot hold ${describe(value)}.`);
  }

  list(items: readonly unknown[]): void {
    this.op(opcode.EMPTY_LIST);
    if (items.length === 0) return;
    this.op(opcode.MARK);
    this.#nested(() => {
      for (const item of items) this.value(item);
    });
    this.op(opcode.APPENDS);
  }

  dict(entries: Iterable<readonly [unknown, unknown]>): void {
    this.op(opcode.EMPTY_DICT);
    this.op(opcode.MARK);
    this.#nested(() => {
      for (const [key, item] of entries) {
        this.value(key);
        this.value(item);
      }
    });
    this.op(opcode.SETITEMS);
  }

  tuple(items: readonly unknown[]): void {
    this.op(opcode.MARK);
    this.#nested(() => {
      for (const item of items) this.value(item);
    });
    this.op(opcode.TUPLE);
  }

  /** `module.name(...args)`; `args` writes exactly one tuple. */
  call(module: string, name: string, args: () => void): void {
    this.global(module, name);
    args();
    this.op(opcode.REDUCE);
  }

  global(module: string, name: string): void {
    const key = `${module}\n${name}\n`;
    const known = this.#globals.get(key);
    if (known !== undefined) {
      this.op(opcode.LONG_BINGET);
      this.uint32(known);
      return;
    }
    this.op(opcode.GLOBAL);
    this.raw(new TextEncoder().encode(key));
    this.op(opcode.LONG_BINPUT);
    this.uint32(this.#globals.size);
    this.#globals.set(key, this.#globals.size);
  }

  string(text: string): void {
    const bytes = new TextEncoder().encode(text);
    this.op(opcode.BINUNICODE);
    this.uint32(bytes.length);
    this.raw(bytes);
  }

  byteString(bytes: Uint8Array): void {
    if (this.protocol < 3) {
      // Protocol 2 has no bytes; Python 3 spells them as an encoded string.
      this.call("_codecs", "encode", () => {
        this.op(opcode.MARK);
        this.#latin1(bytes);
        this.string("latin1");
        this.op(opcode.TUPLE);
      });
      return;
    }
    this.op(opcode.BINBYTES);
    this.uint32(bytes.length);
    this.raw(bytes);
  }

  op(code: number): void {
    this.uint8(code);
  }

  uint8(value: number): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = value;
  }

  uint32(value: number): void {
    this.#reserve(4);
    this.#view.setUint32(this.#length, value, true);
    this.#length += 4;
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  #latin1(bytes: Uint8Array): void {
    let high = 0;
    for (const byte of bytes) high += byte >> 7;
    const utf8 = new Uint8Array(bytes.length + high);
    let at = 0;
    for (const byte of bytes) {
      if (byte < 128) utf8[at++] = byte;
      else {
        utf8[at++] = 0xc0 | (byte >> 6);
        utf8[at++] = 0x80 | (byte & 63);
      }
    }
    this.op(opcode.BINUNICODE);
    this.uint32(utf8.length);
    this.raw(utf8);
  }

  #number(value: number): void {
    if (!Number.isSafeInteger(value) || Object.is(value, -0)) this.#float(value);
    else if (value < -0x80000000 || value > 0x7fffffff) this.#bigint(BigInt(value));
    else {
      this.op(opcode.BININT);
      this.uint32(value);
    }
  }

  #float(value: number): void {
    this.op(opcode.BINFLOAT);
    this.#reserve(8);
    this.#view.setFloat64(this.#length, value, false);
    this.#length += 8;
  }

  #bigint(value: bigint): void {
    // Little-endian two's complement with room for the sign.
    const length = Math.ceil((value.toString(2).length + 1) / 8);
    if (length > 255) throw new VillaError("InvalidArgument", "An integer is too large for a Python pickle.");
    this.op(opcode.LONG1);
    this.uint8(length);
    let rest = BigInt.asUintN(length * 8, value);
    for (let i = 0; i < length; i++) {
      this.uint8(Number(rest & 255n));
      rest >>= 8n;
    }
  }

  #nested(write: () => void): void {
    if (++this.#depth > deepest) {
      throw new VillaError("InvalidArgument", "The value to be pickled is nested too deeply, or contains itself.");
    }
    write();
    this.#depth--;
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(2 * this.#bytes.length, this.#length + count));
    larger.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== "object" || value === null) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

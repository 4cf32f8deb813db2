import { VillaError } from "../../errors.ts";

/** Reads numbers and strings one after another; whatever would lie beyond the end is an error. */
export class ByteReader {
  position: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array, position = 0) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.position = position;
  }

  skip(count: number): void {
    this.#advance(count);
  }

  uint8(): number {
    return this.#bytes[this.#advance(1)]!;
  }

  uint16(): number {
    return this.#view.getUint16(this.#advance(2), true);
  }

  uint32(): number {
    return this.#view.getUint32(this.#advance(4), true);
  }

  int32(): number {
    return this.#view.getInt32(this.#advance(4), true);
  }

  uint64(): number {
    return Number(this.#view.getBigUint64(this.#advance(8), true));
  }

  float64BigEndian(): number {
    return this.#view.getFloat64(this.#advance(8), false);
  }

  /** A view of the next bytes. */
  bytes(length: number): Uint8Array {
    const start = this.#advance(length);
    return this.#bytes.subarray(start, start + length);
  }

  /** Python's UTF-8, in which lone surrogates may be encoded. */
  utf8(length: number): string {
    return decodePythonUtf8(this.bytes(length));
  }

  latin1(length: number): string {
    return bytesToLatin1(this.bytes(length));
  }

  /** The bytes up to the next line feed, which is consumed, as Latin-1. */
  line(): string {
    const end = this.#bytes.indexOf(10, this.position);
    if (end < 0) throw truncated();
    const text = bytesToLatin1(this.#bytes.subarray(this.position, end));
    this.position = end + 1;
    return text;
  }

  /** {@link line} as UTF-8. */
  utf8Line(): string {
    return decodePythonUtf8(latin1ToBytes(this.line()));
  }

  #advance(count: number): number {
    const start = this.position;
    if (!(start + count <= this.#bytes.length)) throw truncated();
    this.position = start + count;
    return start;
  }
}

const strictUtf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** UTF-8 with Python's "surrogatepass". @throws VillaError `InvalidFile` */
function decodePythonUtf8(bytes: Uint8Array): string {
  try {
    return strictUtf8.decode(bytes);
  } catch (cause) {
    return decodeSurrogates(bytes, cause);
  }
}

/** Decodes between encoded surrogates (ED A0…BF xx), which TextDecoder refuses. */
function decodeSurrogates(bytes: Uint8Array, cause: unknown): string {
  const parts: string[] = [];
  let start = 0;
  const flush = (end: number): void => {
    try {
      parts.push(strictUtf8.decode(bytes.subarray(start, end)));
    } catch {
      throw new VillaError("InvalidFile", "The pickle holds a text that is not UTF-8.", { cause });
    }
  };
  for (let i = 0; i + 2 < bytes.length; i++) {
    if (bytes[i] !== 0xed || bytes[i + 1]! < 0xa0) continue;
    flush(i);
    parts.push(String.fromCharCode(0xd000 | ((bytes[i + 1]! & 63) << 6) | (bytes[i + 2]! & 63)));
    i += 2;
    start = i + 1;
  }
  flush(bytes.length);
  return parts.join("");
}

/** One character per byte, U+0000 … U+00FF. (TextDecoder's "latin1" is windows-1252, which differs.) */
function bytesToLatin1(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return text;
}

/** Inverse of {@link bytesToLatin1}. @throws VillaError `InvalidFile` for characters beyond U+00FF */
export function latin1ToBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < bytes.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 255)
      throw new VillaError("InvalidFile", "The pickle holds a byte string with characters beyond Latin-1.");
    bytes[i] = code;
  }
  return bytes;
}

function truncated(): VillaError {
  return new VillaError("InvalidFile", "The file is truncated: its pickle ends too early.");
}

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

  utf8(length: number): string {
    return new TextDecoder().decode(this.bytes(length));
  }

  latin1(length: number): string {
    return bytesToLatin1(this.bytes(length));
  }

  /** The text up to the next line feed, which is consumed. */
  line(): string {
    const end = this.#bytes.indexOf(10, this.position);
    if (end < 0) throw truncated();
    const text = new TextDecoder().decode(this.#bytes.subarray(this.position, end));
    this.position = end + 1;
    return text;
  }

  #advance(count: number): number {
    const start = this.position;
    if (!(start + count <= this.#bytes.length)) throw truncated();
    this.position = start + count;
    return start;
  }
}

/** One character per byte, U+0000 … U+00FF. (TextDecoder's "latin1" is windows-1252, which differs.) */
export function bytesToLatin1(bytes: Uint8Array): string {
  let text = "";
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return text;
}

/** Inverse of {@link bytesToLatin1}. @throws VillaError `InvalidFile` for characters beyond U+00FF */
export function latin1ToBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < bytes.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 255) throw new VillaError("InvalidFile", "The pickle holds bytes that are no bytes.");
    bytes[i] = code;
  }
  return bytes;
}

function truncated(): VillaError {
  return new VillaError("InvalidFile", "The file is truncated: its pickle ends too early.");
}

/** A place in bytes that cannot be left. */
export class Cursor {
  readonly view: DataView;
  offset = 0;

  constructor(bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.view.byteLength - this.offset;
  }

  /** @returns where it is then */
  skip(length: number): number {
    if (!isCount(length) || length > this.left) throw new Error("a value is longer than its page");
    this.offset += length;
    return this.offset;
  }

  uint8(): number {
    return this.view.getUint8(this.skip(1) - 1);
  }

  uint32(): number {
    return this.view.getUint32(this.skip(4) - 4, true);
  }

  /** As Thrift and Parquet write numbers, of at most 64 bits. */
  varint(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.uint8();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw new Error("a number is longer than 64 bits");
  }
}

/** True for what may count bytes or values. */
export function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

/** Deepest nesting of structs and lists; Parquet's own goes to 8 or so. */
const deepestThrift = 32;

/**
 * Walks over a Thrift struct (compact protocol): no text and no list is longer than what follows, nothing is nested
 * without end.
 */
export function checkThrift(view: DataView, offset: number): void {
  const cursor = new Cursor(new Uint8Array(view.buffer, view.byteOffset, view.byteLength));
  cursor.offset = offset;
  struct(cursor, 0);
}

function struct(cursor: Cursor, depth: number): void {
  if (depth > deepestThrift) throw new Error("its metadata is nested too deeply");
  for (let header = cursor.uint8(); (header & 15) !== 0; header = cursor.uint8()) {
    if (header >> 4 === 0) cursor.varint();
    element(cursor, header & 15, depth);
  }
}

function element(cursor: Cursor, type: number, depth: number, inList = false): void {
  // The types of the compact protocol: 1 and 2 true and false, 3 byte, 4–6 integers, 7 double, 8 text, 9 list, 12 struct.
  if (type === 1 || type === 2) {
    if (inList) cursor.skip(1);
  } else if (type === 3) cursor.skip(1);
  else if (type <= 6) cursor.varint();
  else if (type === 7) cursor.skip(8);
  else if (type === 8) cursor.skip(Number(cursor.varint()));
  else if (type === 9) {
    const header = cursor.uint8();
    const length = header >> 4 === 15 ? Number(cursor.varint()) : header >> 4;
    // Every item has a byte at least.
    if (length > cursor.left) throw new Error("a list of its metadata is longer than the file");
    for (let i = 0; i < length; i++) element(cursor, header & 15, depth + 1, true);
  } else if (type === 12) struct(cursor, depth + 1);
  else throw new Error("its metadata has a value of an unknown type");
}

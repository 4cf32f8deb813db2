import { VillaError } from "../../errors.ts";

/**
 * A table of a FlatBuffer, every access checked against the buffer's bounds. FlatBuffers' own JavaScript library checks
 * nothing: a hostile offset or length there means endless loops and arrays of 2^31 elements.
 */
export class CheckedTable {
  readonly #view: DataView;
  readonly #at: number;
  readonly #fields: number;
  readonly #fieldCount: number;

  constructor(view: DataView, at: number) {
    this.#view = view;
    this.#at = at;
    this.#check(at, 4);
    this.#fields = at - view.getInt32(at, true);
    this.#check(this.#fields, 4);
    // As in FlatBuffers' library, it is signed, and a field counts as present where an odd size holds only half of it.
    const size = view.getInt16(this.#fields, true);
    if (size < 4 || size % 2 !== 0) throw damaged();
    this.#check(this.#fields, size);
    this.#fieldCount = (size - 4) >> 1;
  }

  /** The root table of the buffer that `bytes` is. */
  static root(bytes: Uint8Array): CheckedTable {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (view.byteLength < 4) throw damaged();
    return new CheckedTable(view, view.getUint32(0, true));
  }

  uint8(field: number): number {
    const at = this.#locate(field, 1);
    return at === undefined ? 0 : this.#view.getUint8(at);
  }

  int16(field: number, absent = 0): number {
    const at = this.#locate(field, 2);
    return at === undefined ? absent : this.#view.getInt16(at, true);
  }

  int32(field: number, absent = 0): number {
    const at = this.#locate(field, 4);
    return at === undefined ? absent : this.#view.getInt32(at, true);
  }

  int64(field: number): number {
    const at = this.#locate(field, 8);
    return at === undefined ? 0 : this.#number(at);
  }

  table(field: number): CheckedTable | undefined {
    const at = this.#target(field);
    return at === undefined ? undefined : new CheckedTable(this.#view, at);
  }

  tables(field: number): CheckedTable[] {
    const { start, length } = this.#vector(field, 4);
    return Array.from({ length }, (_, i) => {
      const at = start + 4 * i;
      return new CheckedTable(this.#view, at + this.#view.getUint32(at, true));
    });
  }

  /** A vector of int64, or of structs of which each 8 bytes are taken as one int64. */
  int64s(field: number, bytesEach = 8): number[] {
    const { start, length } = this.#vector(field, bytesEach);
    return Array.from({ length: (length * bytesEach) / 8 }, (_, i) => this.#number(start + 8 * i));
  }

  /** Checks that a string is inside the buffer. */
  checkString(field: number): void {
    this.#vector(field, 1);
  }

  #number(at: number): number {
    return Number(this.#view.getBigInt64(at, true));
  }

  #locate(field: number, size: number): number | undefined {
    if (field >= this.#fieldCount) return undefined;
    const offset = this.#view.getInt16(this.#fields + 4 + 2 * field, true);
    if (offset === 0) return undefined;
    if (offset < 0) throw damaged();
    this.#check(this.#at + offset, size);
    return this.#at + offset;
  }

  #target(field: number): number | undefined {
    const at = this.#locate(field, 4);
    return at === undefined ? undefined : at + this.#view.getUint32(at, true);
  }

  #vector(field: number, bytesEach: number): { start: number; length: number } {
    const at = this.#target(field);
    if (at === undefined) return { start: 0, length: 0 };
    this.#check(at, 4);
    const length = this.#view.getUint32(at, true);
    this.#check(at + 4, length * bytesEach);
    return { start: at + 4, length };
  }

  #check(at: number, size: number): void {
    if (!(at >= 0 && at + size <= this.#view.byteLength)) throw damaged();
  }
}

export function damaged(): VillaError {
  return new VillaError("InvalidFile", "The Feather file is damaged.");
}

import { checkArgument, crc32, VillaError } from "@villa/data";
import { CoordinateDeflater } from "./coordinate-deflate.ts";

/**
 * Encodes images as DocMNIST datasets hold them: the file that pydata/sparse's `save_npz(COO(image))` writes, with the
 * same members holding the same bytes. One encoder serves many images of one size.
 */
export class ImageFileEncoder {
  readonly #width: number;
  readonly #height: number;
  readonly #values: Uint8Array;
  readonly #columns: Uint8Array;
  /** Pixels stored of each row, all planes after each other. */
  readonly #rowCounts: Uint32Array;
  readonly #deflater: CoordinateDeflater;
  readonly #constantMembers: readonly Member[];

  /**
   * @param width 1…256: coordinates are written as single bytes
   * @param height 1…256
   * @throws VillaError `InvalidArgument`
   */
  constructor(width: number, height: number) {
    checkArgument("width", width, "count");
    checkArgument("height", height, "count");

    const isSide = (side: number): boolean => Number.isInteger(side) && side >= 1 && side <= 256;
    if (!isSide(width) || !isSide(height)) {
      throw new VillaError(
        "InvalidArgument",
        `Images of ${width}×${height} pixels cannot be encoded; each side must be 1 to 256.`,
      );
    }
    this.#width = width;
    this.#height = height;
    const size = 3 * width * height;
    this.#values = new Uint8Array(size + 1); // one is written in advance
    this.#columns = new Uint8Array(size + 1);
    this.#rowCounts = new Uint32Array(3 * height);
    this.#deflater = new CoordinateDeflater(3 * size);
    const shape = new Uint8Array(BigInt64Array.of(3n, BigInt(height), BigInt(width)).buffer);
    this.#constantMembers = [
      storedMember("shape.npy", npyHeader("<i8", "3,"), shape),
      storedMember("fill_value.npy", npyHeader("|u1", ""), new Uint8Array(1)),
    ];
  }

  /**
   * @param image [3, height, width] uint8
   * @returns the file's bytes
   */
  encode(image: Uint8Array): Uint8Array {
    if (image.length !== 3 * this.#width * this.#height) {
      throw new VillaError("Mismatch", `The image has ${image.length} bytes, not 3×${this.#height}×${this.#width}.`);
    }
    const count = this.#scan(image);
    const data = storedMember("data.npy", npyHeader("|u1", `${count},`), this.#values.subarray(0, count));
    return zip([data, ...this.#constantMembers, this.#coordinates(count)]);
  }

  /** Collects the non-zero pixels in row-major order. */
  #scan(image: Uint8Array): number {
    const width = this.#width;
    // Most pixels are black: four at a time are skipped where the image's memory allows.
    const isAligned = image.byteOffset % 4 === 0 && width % 4 === 0;
    const words = isAligned ? new Uint32Array(image.buffer, image.byteOffset, image.length / 4) : undefined;
    let count = 0;
    for (let row = 0; row < this.#rowCounts.length; row++) {
      const start = row * width;
      const before = count;
      if (!words) count = this.#scanBytes(image, start, 0, width, count);
      else {
        for (let word = start >> 2, end = (start + width) >> 2; word < end; word++) {
          if (words[word] !== 0) count = this.#scanBytes(image, start, word * 4 - start, word * 4 - start + 4, count);
        }
      }
      this.#rowCounts[row] = count - before;
    }
    return count;
  }

  #scanBytes(image: Uint8Array, start: number, from: number, to: number, count: number): number {
    let at = count;
    for (let column = from; column < to; column++) {
      const value = image[start + column]!;
      this.#values[at] = value;
      this.#columns[at] = column;
      if (value !== 0) at++;
    }
    return at;
  }

  /** int64 [3, count]: the planes of all pixels, then their rows, then their columns. */
  #coordinates(count: number): Member {
    const deflater = this.#deflater;
    const rowCounts = this.#rowCounts;
    const height = this.#height;
    const header = npyHeader("<i8", `3, ${count}`);
    deflater.start(header);
    for (let plane = 0; plane < 3; plane++) {
      let inPlane = 0;
      for (let row = 0; row < height; row++) inPlane += rowCounts[plane * height + row]!;
      deflater.run(plane, inPlane);
    }
    for (let row = 0; row < rowCounts.length; row++) deflater.run(row % height, rowCounts[row]!);
    deflater.values(this.#columns, count);
    const crc = deflater.finish();
    const parts = [deflater.bytes.subarray(0, deflater.length)];
    return { name: "coords.npy", parts, size: header.length + 24 * count, crc, isDeflated: true };
  }
}

interface Member {
  readonly name: string;
  readonly parts: readonly Uint8Array[];
  /** Bytes when decompressed. */
  readonly size: number;
  readonly crc: number;
  readonly isDeflated: boolean;
}

function storedMember(name: string, header: Uint8Array, contents: Uint8Array): Member {
  const crc = crc32(contents, crc32(header));
  return { name, parts: [header, contents], size: header.length + contents.length, crc, isDeflated: false };
}

/** NumPy's header (format 1.0) for a C-ordered array: 128 bytes, as NumPy writes for every short shape. */
function npyHeader(descr: string, shape: string): Uint8Array {
  const text = `{'descr': '${descr}', 'fortran_order': False, 'shape': (${shape}), }`;
  const header = new Uint8Array(128).fill(0x20);
  header.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, 118, 0]);
  for (let i = 0; i < text.length; i++) header[10 + i] = text.charCodeAt(i);
  header[127] = 0x0a;
  return header;
}

/** A ZIP archive dated 1980-01-01, so that equal images give equal files. */
function zip(members: readonly Member[]): Uint8Array {
  const sizes = members.map(({ parts }) => parts.reduce((sum, part) => sum + part.length, 0));
  const nameBytes = members.reduce((sum, { name }) => sum + name.length, 0);
  const contents = sizes.reduce((sum, size) => sum + size, 0);
  const out = new Uint8Array(contents + 2 * nameBytes + members.length * (30 + 46) + 22);
  const view = new DataView(out.buffer);
  const offsets: number[] = [];
  let at = 0;
  const header = (member: Member, size: number): void => {
    view.setUint16(at, 20, true);
    view.setUint16(at + 4, member.isDeflated ? 8 : 0, true);
    view.setUint16(at + 8, 0x21, true);
    view.setUint32(at + 10, member.crc, true);
    view.setUint32(at + 14, size, true);
    view.setUint32(at + 18, member.size, true);
    view.setUint16(at + 22, member.name.length, true);
    at += 26;
  };
  const name = (text: string): void => {
    for (let i = 0; i < text.length; i++) out[at++] = text.charCodeAt(i);
  };
  for (const [i, member] of members.entries()) {
    offsets.push(at);
    view.setUint32(at, 0x04034b50, true);
    at += 4;
    header(member, sizes[i]!);
    name(member.name);
    for (const part of member.parts) {
      out.set(part, at);
      at += part.length;
    }
  }
  const directory = at;
  for (const [i, member] of members.entries()) {
    view.setUint32(at, 0x02014b50, true);
    view.setUint16(at + 4, 20, true);
    at += 6;
    header(member, sizes[i]!);
    view.setUint32(at + 10, offsets[i]!, true);
    at += 14;
    name(member.name);
  }
  view.setUint32(at, 0x06054b50, true);
  view.setUint16(at + 8, members.length, true);
  view.setUint16(at + 10, members.length, true);
  view.setUint32(at + 12, at - directory, true);
  view.setUint32(at + 16, directory, true);
  return out;
}

/** Bytes of a protobuf message, written field by field; nested messages are byte strings of their own. */
export class ProtobufWriter {
  readonly #chunks: Uint8Array[] = [];

  int(field: number, value: number | bigint): this {
    return this.#raw(varint((BigInt(field) << 3n) | 0n), varint(BigInt(value)));
  }

  float(field: number, value: number): this {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setFloat32(0, value, true);
    return this.#raw(varint((BigInt(field) << 3n) | 5n), bytes);
  }

  bytes(field: number, value: Uint8Array | ProtobufWriter): this {
    const parts = value instanceof ProtobufWriter ? value.#chunks : [value];
    const length = parts.reduce((sum, part) => sum + part.byteLength, 0);
    return this.#raw(varint((BigInt(field) << 3n) | 2n), varint(BigInt(length)), ...parts);
  }

  text(field: number, value: string): this {
    return this.bytes(field, new TextEncoder().encode(value));
  }

  finish(): Uint8Array {
    const result = new Uint8Array(this.#chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0));
    let position = 0;
    for (const chunk of this.#chunks) {
      result.set(chunk, position);
      position += chunk.byteLength;
    }
    return result;
  }

  #raw(...parts: readonly Uint8Array[]): this {
    for (const part of parts) this.#chunks.push(part);
    return this;
  }
}

function varint(value: bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  do {
    const low = Number(rest & 0x7fn);
    rest >>= 7n;
    bytes.push(rest > 0n ? low | 0x80 : low);
  } while (rest > 0n);
  return Uint8Array.from(bytes);
}

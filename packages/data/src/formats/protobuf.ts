/**
 * Writes a message of protocol buffers field by field, as ONNX models want it; nested messages are written on their own.
 *
 * @example new ProtobufWriter().int(1, 8).bytes(7, new ProtobufWriter().text(2, "graph")).finish()
 * @see https://protobuf.dev/programming-guides/encoding/
 */
export class ProtobufWriter {
  readonly #chunks: Uint8Array[] = [];

  /** A whole number, negative ones too. */
  int(field: number, value: number | bigint): this {
    return this.#add(varint((BigInt(field) << 3n) | 0n), varint(BigInt(value)));
  }

  /** A float32. */
  float(field: number, value: number): this {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setFloat32(0, value, true);
    return this.#add(varint((BigInt(field) << 3n) | 5n), bytes);
  }

  /** A string of bytes, or a message. Of a message that is written to later, only what it holds now. */
  bytes(field: number, value: Uint8Array | ProtobufWriter): this {
    const parts = value instanceof ProtobufWriter ? value.#chunks : [value];
    const length = parts.reduce((sum, part) => sum + part.byteLength, 0);
    return this.#add(varint((BigInt(field) << 3n) | 2n), varint(BigInt(length)), ...parts);
  }

  /** A text, as UTF-8. */
  text(field: number, value: string): this {
    return this.bytes(field, new TextEncoder().encode(value));
  }

  /** Length of the message so far. */
  get byteLength(): number {
    return this.#chunks.reduce((sum, chunk) => sum + chunk.byteLength, 0);
  }

  /** The message's bytes. */
  finish(): Uint8Array {
    const out = new Uint8Array(this.byteLength);
    let at = 0;
    for (const chunk of this.#chunks) {
      out.set(chunk, at);
      at += chunk.byteLength;
    }
    return out;
  }

  #add(...parts: readonly Uint8Array[]): this {
    for (const part of parts) this.#chunks.push(part);
    return this;
  }
}

/** Seven bits a byte, the lowest first. */
function varint(value: bigint): Uint8Array {
  const bytes: number[] = [];
  let rest = BigInt.asUintN(64, value);
  for (; rest > 127n; rest >>= 7n) bytes.push(Number(rest & 127n) | 128);
  bytes.push(Number(rest));
  return Uint8Array.from(bytes);
}

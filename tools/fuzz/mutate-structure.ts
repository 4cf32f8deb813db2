import { deflateSync, inflateSync } from "node:zlib";
import { openZip, type ZipArchive } from "../../packages/data/src/formats/zip/reader.ts";
import { writeZip, zipMember } from "../../packages/data/src/formats/zip/writer.ts";
import { crc32 } from "../../packages/data/src/index.ts";
import { concatenate, inPlaceMutators, type Mutator, movingMutators, setNumber } from "./mutate-bytes.ts";
import type { FuzzRandom } from "./random.ts";

// Changes that keep a format's outer layers right (lengths, checksums, compression), so that the damage gets through to
// the layers within.

const anyBytes: readonly Mutator[] = [...inPlaceMutators, ...movingMutators];

function changed(bytes: Uint8Array, random: FuzzRandom): Uint8Array {
  return random.pick(anyBytes)(bytes, random, bytes);
}

/** Changes the contents of one member of a ZIP archive by `mutate`, and stores or compresses it anew. */
export function zipMutator(mutate: Mutator = changed): Mutator {
  return (bytes, random, other) => {
    const members = membersOf(bytes);
    if (members.length === 0) return changed(bytes, random);
    const which = random.below(members.length);
    const kind = random.below(12);
    const parts = members.flatMap(([name, contents], i) => {
      if (i !== which) return [[name, contents] as const];
      if (kind === 0) return []; // a member that is missing
      if (kind === 1) return [[text(changed(latin1(name), random)), contents] as const];
      if (kind === 2) return [[name, random.pick(membersOf(other))?.[1] ?? contents] as const];
      return [[name, mutate(contents, random, contents)] as const];
    });
    return writeZip(parts.map(([name, contents]) => zipMember(name, contents, random.once(2) ? 0 : 1)));
  };
}

const unpacked = new WeakMap<Uint8Array, readonly (readonly [name: string, contents: Uint8Array])[]>();

function membersOf(bytes: Uint8Array): readonly (readonly [name: string, contents: Uint8Array])[] {
  let members = unpacked.get(bytes);
  if (members) return members;
  let archive: ZipArchive | undefined;
  try {
    archive = openZip(bytes);
  } catch {
    // A seed of the older format, which is no archive.
  }
  members = archive ? [...archive.entries.keys()].map((name) => [name, archive.read(name)] as const) : [];
  unpacked.set(bytes, members);
  return members;
}

/** Operations that do something to a pickle's stack, and names that its readers know. */
const pickleSnippets: readonly Uint8Array[] = [
  ...["(", "0", "1", "2", "N", "]", "}", ")", "t", "l", "d", "e", "u", "a", "s", "b", "R", "Q", ".", "\x81", "\x8f"],
  ...["\x90", "\x91", "\x93", "\x94", "\x85", "\x86", "\x87", "\x88", "h\0", "h\x01", "h\x02", "q\0", "q\x01", "h\x05"],
  ...["K\0", "K\x01", "J\xff\xff\xff\xff", "J\xff\xff\xff\x7f", "G\x7f\xf8\0\0\0\0\0\0", "\x8a\x08\0\0\0\0\0\0\0\x80"],
  ...["I01\n", "L5L\n", "F1e400\n", "S'x'\n", "Vabc\\ud800\n", "g0\n", "p0\n", "X\x01\0\0\0a", "U\x01b", "C\x02ab"],
  ...["cbuiltins\nset\n", "cbuiltins\ndict\n", "ccollections\nOrderedDict\n", "cbuiltins\nbytearray\n"],
  ...["cnumpy\ndtype\n", "cnumpy\nndarray\n", "cnumpy.core.multiarray\n_reconstruct\n", "c_codecs\nencode\n"],
  ...["cnumpy._core.multiarray\nscalar\n", "cnumpy._core.numeric\n_frombuffer\n", "cbuiltins\ncomplex\n"],
  ...["ctorch\nFloatStorage\n", "ctorch\nHalfStorage\n", "ctorch\nfloat8_e5m2\n", "ctorch\nSize\n"],
  ...["ctorch._utils\n_rebuild_tensor_v2\n", "ctorch._utils\n_rebuild_sparse_tensor\n", "c__torch__\nM\n"],
  ...["ctorch._utils\n_rebuild_qtensor\n", "ctorch._utils\n_rebuild_tensor_v3\n", "cargparse\nNamespace\n"],
  ...["ctorch._tensor\n_rebuild_from_type_v2\n", "cposix\nsystem\n", "ctorch\nper_channel_affine\n"],
].map(latin1);

/** Puts an operation into a pickle, in the place of what is there or between it. */
export function mutatePickle(bytes: Uint8Array, random: FuzzRandom): Uint8Array {
  if (random.once(3)) return changed(bytes, random);
  let out = bytes;
  for (let count = 1 + random.below(3); count > 0; count--) {
    const at = random.below(out.length + 1);
    const snippet = random.pick(pickleSnippets);
    const skipped = random.pick([0, 0, 1, snippet.length]);
    out = concatenate([out.subarray(0, at), snippet, out.subarray(Math.min(out.length, at + skipped))]);
  }
  return out;
}

/** A torch archive: its pickle more often than its other members. */
export const mutateTorchArchive: Mutator = zipMutator((contents, random) =>
  contents[0] === 0x80 ? mutatePickle(contents, random) : changed(contents, random),
);

/** The header of a NumPy array, its length kept right; in an array of objects the pickle. */
export function mutateNpy(bytes: Uint8Array, random: FuzzRandom): Uint8Array {
  const start = 10;
  if (bytes.length < start) return changed(bytes, random);
  const length = bytes[8]! | (bytes[9]! << 8);
  const [header, body] = [bytes.subarray(start, start + length), bytes.subarray(start + length)];
  const isPickle = body[0] === 0x80;
  if (isPickle && !random.once(3)) return concatenate([bytes.subarray(0, start + length), mutatePickle(body, random)]);
  const written = random.once(2) ? mutateText(header, random, header) : changed(header, random);
  const front = bytes.slice(0, start);
  front[8] = written.length & 255;
  front[9] = written.length >> 8;
  return concatenate([front, written, body]);
}

/** The header of a safetensors file, its length kept right. */
export function mutateSafetensors(bytes: Uint8Array, random: FuzzRandom): Uint8Array {
  if (bytes.length < 8) return changed(bytes, random);
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const header = mutateText(bytes.subarray(8, 8 + length), random, bytes.subarray(8, 8 + length));
  const front = new Uint8Array(8);
  new DataView(front.buffer).setBigUint64(0, BigInt(header.length), true);
  return concatenate([front, header, bytes.subarray(8 + length)]);
}

const words = [
  ...["null", "true", "[]", "{}", '""', "0", "-1", "1e999", "1e-9", "0.5", "9007199254740993", "18446744073709551616"],
  ...['"__proto__"', '"constructor"', '"toString"', "[[[[]]]]", '{"a":{"a":{}}}', '"\\ud800"', '"\\u0000"', "NaN"],
  ...['"F8_E4M3"', '"BF16"', '"F4"', '"<U9999999"', "'O'", "'>c16'", "(1,)", "True", "'|S0'", "4294967296"],
].map(latin1);

/** Text with quotes, brackets, commas and numbers: pieces between such marks are dropped, repeated, exchanged. */
export function mutateText(bytes: Uint8Array, random: FuzzRandom, other: Uint8Array): Uint8Array {
  if (random.once(4)) return random.pick(anyBytes)(bytes, random, other);
  const tokens = text(bytes).match(/"(?:[^"\\]|\\.)*"|'[^']*'|-?\d[\d.eE+-]*|[A-Za-z_]+|\s+|[\s\S]/g) ?? [];
  if (tokens.length === 0) return bytes;
  for (let count = 1 + random.below(3); count > 0; count--) {
    const at = random.below(tokens.length);
    const kind = random.below(5);
    if (kind === 0) tokens.splice(at, 1 + random.below(3));
    else if (kind === 1) tokens.splice(at, 0, ...tokens.slice(at, at + 1 + random.below(8)));
    else if (kind === 2) tokens[at] = text(random.pick(words));
    else if (kind === 3) tokens[at] = random.pick(tokens);
    else tokens.splice(at, 0, text(random.pick(words)));
    if (tokens.length === 0) break;
  }
  return latin1(tokens.join(""));
}

/** Chunks of a PNG are changed, dropped, repeated, moved; their lengths and checksums are right again. */
export function mutatePng(bytes: Uint8Array, random: FuzzRandom): Uint8Array {
  const chunks: { type: Uint8Array; body: Uint8Array }[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  for (let at = 8; at + 12 <= bytes.length; ) {
    const length = view.getUint32(at);
    chunks.push({ type: bytes.subarray(at + 4, at + 8), body: bytes.subarray(at + 8, at + 8 + length) });
    at += 12 + length;
  }
  const which = random.below(chunks.length);
  const chunk = chunks[which]!;
  const isData = text(chunk.type) === "IDAT";
  const kind = random.below(8);
  if (kind === 0) chunks.splice(which, 1);
  else if (kind === 1) chunks.splice(random.below(chunks.length), 0, chunk);
  else if (kind === 2) chunk.type = changed(chunk.type, random).slice(0, 4);
  else if (kind === 3) chunk.body = setNumber(chunk.body, random);
  else if (kind < 6 && isData) chunk.body = deflateSync(changed(inflateSync(chunk.body), random));
  else if (kind === 6 && isData && chunk.body.length > 2) {
    const at = random.below(chunk.body.length);
    chunks.splice(
      which,
      1,
      { ...chunk, body: chunk.body.subarray(0, at) },
      { ...chunk, body: chunk.body.subarray(at) },
    );
  } else chunk.body = changed(chunk.body, random);
  const parts = chunks.map(({ type, body }) => {
    const part = new Uint8Array(12 + body.length);
    const head = new DataView(part.buffer);
    head.setUint32(0, body.length);
    part.set(type.subarray(0, 4), 4);
    part.set(body, 8);
    head.setUint32(8 + body.length, crc32(part.subarray(4, 8 + body.length)));
    return part;
  });
  return concatenate([bytes.subarray(0, 8), ...parts]);
}

/** Segments of a JPEG are changed, dropped, repeated, moved; their lengths are right again. */
export function mutateJpeg(bytes: Uint8Array, random: FuzzRandom): Uint8Array {
  /** Each begins at a marker; a scan's data belong to its segment. */
  const starts = [2];
  for (let at = 4; at + 1 < bytes.length; at++) {
    const code = bytes[at + 1]!;
    if (bytes[at] === 0xff && code >= 0xc0 && !(code >= 0xd0 && code <= 0xd8)) starts.push(at);
  }
  const segments: Uint8Array[] = starts.map((start, i) => bytes.slice(start, starts[i + 1] ?? bytes.length));
  const which = random.below(segments.length);
  const segment = segments[which]!;
  const kind = random.below(7);
  if (kind === 0) segments.splice(which, 1);
  else if (kind === 1) segments.splice(random.below(segments.length), 0, segment);
  else if (kind === 2) segments[which] = random.pick(segments);
  else if (kind === 3) segment[1] = random.pick([0xc0, 0xc1, 0xc2, 0xc4, 0xda, 0xdb, 0xdd, 0xd0, 0xfe]);
  else {
    const isScan = segment[1] === 0xda;
    const length = (segment[2]! << 8) | segment[3]!;
    const end = isScan && !random.once(3) ? 2 + length : segment.length;
    const body = changed(segment.subarray(4, end), random);
    const size = 2 + body.length;
    const head = Uint8Array.of(0xff, segment[1]!, size >> 8, size & 255);
    segments[which] = concatenate([head, body, segment.subarray(end)]);
  }
  return concatenate([bytes.subarray(0, 2), ...segments]);
}

/** The flatbuffers of an Arrow file are numbers at multiples of four. */
export function mutateArrow(bytes: Uint8Array, random: FuzzRandom): Uint8Array {
  const out = bytes.slice();
  const view = new DataView(out.buffer);
  const footer = out.length > 26 ? view.getInt32(out.length - 10, true) : 0;
  const footerStart = Math.max(0, out.length - 10 - footer);
  for (let count = 1 + random.below(2); count > 0; count--) {
    const [start, end] = random.once(2) ? [footerStart, out.length - 10] : [8, footerStart];
    const at = start + 4 * random.below(Math.max(1, (end - start) >> 2));
    if (at + 8 > out.length) continue;
    const kind = random.below(4);
    if (kind === 0) view.setInt32(at, view.getInt32(at, true) + random.pick([-8, -4, -1, 1, 4, 8]), true);
    else if (kind === 1) view.setInt32(at, random.pick([0, 1, -1, 2, 64, 1000, 0x7fffffff, 134_217_732]), true);
    else if (kind === 2) view.setBigInt64(at, BigInt(random.pick([0, 1, -1, 3, 2 ** 31, 2 ** 40, 134_217_732])), true);
    else view.setUint16(at + 2 * random.below(2), random.below(64), true);
  }
  return out;
}

function latin1(value: string): Uint8Array {
  return Uint8Array.from(value, (character) => character.charCodeAt(0));
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}

import { checkArgument, VillaError } from "@villa/data";

/** Side of a digit picture and of a grid cell, in pixels. */
export const cellSize = 28;

/** Grey digit pictures with their classes. */
export interface DigitSet {
  /** [n, 28, 28] uint8, row-major; 0 is background. */
  readonly images: Uint8Array;
  /** [n] uint8 */
  readonly labels: Uint8Array;
}

/** Where a dataset's digits come from: the training digits are split into train and val pools. */
export interface DigitSource {
  readonly train: DigitSet;
  /** Digits for the test split; without them a test split draws from the val pool. */
  readonly test?: DigitSet | undefined;
}

/**
 * Checks that pictures and labels fit together.
 *
 * @throws VillaError `Mismatch`
 */
export function checkDigits(digits: DigitSet, what = "The digits"): void {
  const { images, labels } = digits;
  if (labels.length === 0 || images.length !== labels.length * cellSize * cellSize) {
    throw new VillaError(
      "Mismatch",
      `${what} have ${labels.length} labels but ${images.length / (cellSize * cellSize)} pictures of 28×28 pixels.`,
    );
  }
}

/** The indices of `digits` that have one of the labels, in order. */
export function indicesWithLabels(digits: DigitSet, labels: readonly number[]): Int32Array {
  const wanted = new Uint8Array(256);
  for (const label of labels) wanted[label] = 1;
  const indices = new Int32Array(digits.labels.length);
  let count = 0;
  for (let i = 0; i < digits.labels.length; i++) if (wanted[digits.labels[i]!]) indices[count++] = i;
  return indices.subarray(0, count);
}

/** An array of unsigned bytes as MNIST's IDX files hold it. */
export interface IdxArray {
  readonly shape: readonly number[];
  /** Row-major; a view of the file's bytes. */
  readonly data: Uint8Array;
}

/**
 * Reads an IDX file of unsigned bytes: two zero bytes, type 8, the rank, the sides as big-endian uint32, the data.
 *
 * @param bytes the file, already decompressed
 * @param name the file's name, for messages
 * @throws VillaError `InvalidFile` when it is something else, truncated, or longer than it says
 */
export function parseIdx(bytes: Uint8Array, name = "The IDX file"): IdxArray {
  checkArgument("bytes", bytes, "bytes");
  checkArgument("name?", name, "text");

  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isIdx = bytes.length >= 4 && bytes[0] === 0 && bytes[1] === 0 && bytes[2] === 8 && bytes[3]! >= 1;
  if (!isIdx) throw new VillaError("InvalidFile", `${name} is not an IDX file of unsigned bytes (wrong magic number).`);
  const rank = bytes[3]!;
  const start = 4 + 4 * rank;
  if (bytes.length < start) throw truncated(name, start, bytes.length);
  const shape = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i));
  const size = start + shape.reduce((product, side) => product * side, 1);
  if (bytes.length < size) throw truncated(name, size, bytes.length);
  if (bytes.length > size) {
    throw new VillaError("InvalidFile", `${name} has ${bytes.length - size} bytes more than its header announces.`);
  }
  return { shape, data: bytes.subarray(start) };
}

/**
 * Reads a pair of IDX files.
 *
 * @param images IDX of [n, 28, 28]
 * @param labels IDX of [n]
 * @throws VillaError `InvalidFile`, or `Mismatch` when the two do not belong together
 */
export function parseDigits(
  images: Uint8Array,
  labels: Uint8Array,
  names: { readonly images: string; readonly labels: string } = { images: "The image file", labels: "The label file" },
): DigitSet {
  checkArgument("images", images, "bytes");
  checkArgument("labels", labels, "bytes");
  checkArgument("names?", names, { images: "text", labels: "text" });

  const pictures = parseIdx(images, names.images);
  const classes = parseIdx(labels, names.labels);
  if (pictures.shape.length !== 3 || pictures.shape[1] !== cellSize || pictures.shape[2] !== cellSize) {
    throw new VillaError("InvalidFile", `${names.images} holds an array [${pictures.shape}], not pictures [n,28,28].`);
  }
  if (classes.shape.length !== 1) {
    throw new VillaError("InvalidFile", `${names.labels} holds an array [${classes.shape}], not labels [n].`);
  }
  if (classes.shape[0] !== pictures.shape[0]) {
    throw new VillaError(
      "Mismatch",
      `${names.images} has ${pictures.shape[0]} pictures, but ${names.labels} has ${classes.shape[0]} labels.`,
    );
  }
  return { images: pictures.data, labels: classes.data };
}

function truncated(name: string, expected: number, actual: number): VillaError {
  return new VillaError(
    "InvalidFile",
    `${name} is truncated: ${expected} bytes are expected, ${actual} are there; download it again.`,
  );
}

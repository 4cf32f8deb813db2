import { VillaError } from "../errors.ts";
import { checkList } from "../formats/check-arguments.ts";
import { isObjectArray, type NpyArray } from "../formats/numpy/array.ts";
import { readNpz, writeNpz } from "../formats/numpy/npz.ts";
import { readSafetensors } from "../formats/safetensors/read.ts";
import { writeSafetensors } from "../formats/safetensors/write.ts";
import { isTensorData, type TensorData, toFloat32 } from "../formats/tensor.ts";

/**
 * One file of region embeddings as the original has it: `arr_0` is an object array of one flat float32 vector
 * (regions × dimension values) per image.
 */
export function encodeRegionNpz(vectors: readonly Float32Array[]): Uint8Array {
  checkVectors(vectors);
  const data = vectors.map((vector): TensorData => ({ dtype: "float32", shape: [vector.length], data: vector }));
  return writeNpz({ arr_0: { dtype: "object", shape: [data.length], data } });
}

/**
 * Reads a file of region embeddings.
 *
 * @returns one flat vector per image
 * @throws VillaError `InvalidFile`, and as `readNpz`
 */
export function decodeRegionNpz(bytes: Uint8Array): Float32Array[] {
  const array = readNpz(bytes).get("arr_0");
  if (isObjectArray(array) && array.shape.length === 1) return array.data.map(asVector);
  if ((isObjectArray(array) || isTensorData(array)) && array.shape.length > 0) return rowVectors(array);
  throw new VillaError("InvalidFile", 'This is not a file of region embeddings: it has no array "arr_0" of vectors.');
}

/** The same as safetensors: `embeddings` [values], `lengths` [images] int32. */
export function encodeRegionSafetensors(
  vectors: readonly Float32Array[],
  metadata: Record<string, string> = {},
): Uint8Array {
  checkVectors(vectors);
  const lengths = Int32Array.from(vectors, (vector) => vector.length);
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const embeddings = new Float32Array(total);
  let at = 0;
  for (const vector of vectors) {
    embeddings.set(vector, at);
    at += vector.length;
  }
  const tensors = new Map<string, TensorData>([
    ["embeddings", { dtype: "float32", shape: [total], data: embeddings }],
    ["lengths", { dtype: "int32", shape: [lengths.length], data: lengths }],
  ]);
  return writeSafetensors(tensors, metadata);
}

/** @throws VillaError `InvalidFile` */
export function decodeRegionSafetensors(bytes: Uint8Array): {
  vectors: Float32Array[];
  metadata: Record<string, string>;
} {
  const { tensors, metadata } = readSafetensors(bytes);
  const [embeddings, lengths] = [tensors.get("embeddings"), tensors.get("lengths")];
  if (!embeddings || !lengths) {
    throw new VillaError("InvalidFile", 'This is not a file of region embeddings: it lacks "embeddings" or "lengths".');
  }
  const values = toFloat32(embeddings);
  const vectors: Float32Array[] = [];
  let at = 0;
  for (const length of toFloat32(lengths)) {
    vectors.push(values.subarray(at, at + length));
    at += length;
  }
  if (at !== values.length || vectors.some((vector, i) => vector.length !== Number(lengths.data[i]))) {
    throw new VillaError("InvalidFile", "The lengths in the file of region embeddings do not add up.");
  }
  return { vectors, metadata };
}

function checkVectors(vectors: unknown): void {
  checkList(vectors, "The vectors of a file of region embeddings", (item) => item instanceof Float32Array);
}

/** Where all images have equally many values, NumPy makes a two-dimensional array of numbers instead of one of vectors. */
function rowVectors(array: Extract<NpyArray, { dtype: "object" }> | TensorData): Float32Array[] {
  const [rows = 0] = array.shape;
  const values = isTensorData(array) ? toFloat32(array) : asVector(array.data);
  const length = rows === 0 ? 0 : values.length / rows;
  return Array.from({ length: rows }, (_, i) => values.subarray(i * length, (i + 1) * length));
}

function asVector(item: unknown): Float32Array {
  if (isTensorData(item)) return toFloat32(item);
  if (Array.isArray(item)) {
    const values = new Float32Array(item.length);
    for (let i = 0; i < item.length; i++) values[i] = asNumber(item[i]);
    return values;
  }
  throw new VillaError("InvalidFile", "An entry of the file of region embeddings is not a vector of numbers.");
}

function asNumber(item: unknown): number {
  if (typeof item === "number") return item;
  if (isTensorData(item) && item.data.length === 1) return Number(item.data[0]);
  throw new VillaError("InvalidFile", "An entry of the file of region embeddings is not a vector of numbers.");
}

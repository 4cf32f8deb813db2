import { join } from "node:path";
import {
  isObjectArray,
  isTensorData,
  isVillaError,
  loadStateDict,
  readFeather,
  readNpz,
  toFloat32,
  VillaError,
} from "@villa/data";
import { readFileBytes, withPath } from "@villa/data/node";

/** Attribute embeddings of a dataset folder, in the order of the file: that of the heads. */
export interface AttributeEmbeddings {
  readonly attributes: readonly string[];
  readonly dimension: number;
  /** [A, d] */
  readonly values: Float32Array;
}

/** Reads `attr_embs.pth`. @throws VillaError NotFound with the cure, Mismatch when the vectors differ in length */
export async function readAttributeEmbeddings(dataDirectory: string): Promise<AttributeEmbeddings> {
  const path = join(dataDirectory, "attr_embs.pth");
  const tensors = await withPath(path, async () => loadStateDict(await readEmbeddingFile(path, dataDirectory)));
  const attributes = [...tensors.keys()];
  const vectors = [...tensors.values()].map(toFloat32);
  const dimension = vectors[0]!.length;
  const values = new Float32Array(attributes.length * dimension);
  vectors.forEach((vector, a) => {
    if (vector.length !== dimension) {
      throw new VillaError(
        "Mismatch",
        `${path}: "${attributes[a]}" has ${vector.length} dimensions but "${attributes[0]}" has ${dimension}.`,
      );
    }
    values.set(vector, a * dimension);
  });
  return { attributes, dimension, values };
}

/** Gives the images' region embeddings to `visit`, file by file, so that only one file is in memory besides them. */
export async function readRegionEmbeddings(
  dataDirectory: string,
  wanted: ReadonlySet<number>,
  visit: (imageId: number, embeddings: Float32Array) => void,
): Promise<void> {
  const folder = join(dataDirectory, "region_embs");
  const indexPath = join(folder, "region_emb_mapping.feather");
  const table = await withPath(indexPath, async () => readFeather(await readEmbeddingFile(indexPath, dataDirectory)));
  const files = new Map<string, { imageId: number; position: number }[]>();
  const [ids, names, positions] = [table.column("image_id"), table.column("file"), table.column("file_id")];
  ids.forEach((id, i) => {
    const imageId = Number(id);
    if (!wanted.has(imageId)) return;
    // The column holds a file name or a path of the machine that wrote it.
    const name = String(names[i]).split(/[\\/]/).at(-1)!;
    files.set(name, [...(files.get(name) ?? []), { imageId, position: Number(positions[i]) }]);
  });
  for (const [name, entries] of files) {
    const path = join(folder, name);
    const vectors = await withPath(path, async () => objectVectors(await readEmbeddingFile(path, dataDirectory)));
    for (const { imageId, position } of entries) {
      const vector = vectors[position];
      if (!vector)
        throw new VillaError("InvalidFile", `${path} has no entry ${position}, where image ${imageId} should be.`);
      visit(imageId, vector);
    }
  }
}

function objectVectors(bytes: Uint8Array): (Float32Array | undefined)[] {
  const array = readNpz(bytes).get("arr_0");
  if (isTensorData(array)) {
    // Images with equally many regions: NumPy stores a plain [images, values] array instead of objects.
    const size = array.data.length / (array.shape[0] || 1);
    const floats = toFloat32(array);
    return Array.from({ length: array.shape[0] ?? 0 }, (_, i) => floats.subarray(i * size, (i + 1) * size));
  }
  if (!isObjectArray(array))
    throw new VillaError("InvalidFile", 'This is not a file of region embeddings: it lacks "arr_0".');
  return array.data.map((item) => (isTensorData(item) ? toFloat32(item) : undefined));
}

async function readEmbeddingFile(path: string, dataDirectory: string): Promise<Uint8Array> {
  try {
    return await readFileBytes(path);
  } catch (error) {
    if (!isVillaError(error, "NotFound")) throw error;
    throw new VillaError(
      "NotFound",
      `There is no ${path}; make the embeddings first: villa preprocess --data-dir ${dataDirectory}.`,
    );
  }
}

import { float32ToFloat16, readSafetensors, type TensorData, writeSafetensors } from "@villa/data";
import { type HeadWeights, type MappingModel, makeModel, modelFromStateDict, modelStateDict } from "@villa/mapping";

/** A mapping model with what its embeddings are made by: all that is needed to use it on other data. */
export interface KeptModel {
  readonly attributes: readonly string[];
  /** Length and seed of the `pixels` encoder's embeddings. */
  readonly dimension: number;
  readonly seed: number;
  /** One for each attribute. */
  readonly heads: readonly HeadWeights[];
}

/** The model for the attributes of a dataset, or undefined when it does not know one of them. */
export function modelFor(
  { attributes, dimension, heads }: KeptModel,
  wanted: readonly string[],
): MappingModel | undefined {
  const rows = wanted.map((name) => attributes.indexOf(name));
  if (rows.includes(-1)) return undefined;
  const own = rows.map((row) => heads[row]!);
  return makeModel({ dimension, oneProj: false, adapter: false, attributes: wanted }, own);
}

export function parseModel(file: Uint8Array): KeptModel {
  const { tensors, metadata } = readSafetensors(file);
  const attributes = metadata.attributes!.split(",");
  const { dimension, heads } = modelFromStateDict(tensors, { attributes });
  return { attributes, dimension, seed: Number(metadata.seed), heads };
}

/** In halves: the file is downloaded, and scores differ by less than a hundredth. */
export async function formatModel(model: MappingModel, seed: number): Promise<Uint8Array> {
  const tensors = new Map<string, TensorData>();
  for (const [name, { shape, data }] of await modelStateDict(model, "")) {
    tensors.set(name, { dtype: "float16", shape, data: float32ToFloat16(data as Float32Array) });
  }
  return writeSafetensors(tensors, { attributes: model.attributes.join(), seed: String(seed) });
}

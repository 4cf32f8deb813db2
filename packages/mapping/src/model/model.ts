import { checkArgument, someNames, type TensorData, toFloat32, VillaError } from "@villa/data";
import { type HeadsOptions, type HeadWeights, headCount, headFrom, headParameters, parameterShape } from "./heads.ts";
import type { HeadSource } from "./scores.ts";

/** A trained mapping model held in memory. */
export interface MappingModel extends HeadSource {
  /** One for each attribute, or a single shared one. */
  readonly heads: readonly HeadWeights[];
}

/** @throws VillaError `Mismatch` when the number of heads does not fit the attributes */
export function makeModel(
  options: HeadsOptions & { readonly attributes: readonly string[] },
  heads: readonly HeadWeights[],
): MappingModel {
  checkArgument("options", options, {
    dimension: "count",
    oneProj: "boolean",
    adapter: "boolean",
    attributes: ["text"],
  });
  checkArgument("heads", heads, [
    { "0.weight": "numbers", "0.bias": "numbers", "2.weight": "numbers", "2.bias": "numbers" },
  ]);

  const { dimension, oneProj, adapter, attributes } = options;
  const expected = headCount(oneProj, attributes.length);
  if (heads.length !== expected) {
    throw new VillaError(
      "Mismatch",
      `The model needs ${expected} heads for ${attributes.length} attributes, not ${heads.length}.`,
    );
  }
  return { dimension, oneProj, adapter, attributes, heads, load: async (head) => heads[head]! };
}

/**
 * The model as a PyTorch state dict: `<prefix>pool.<head>.<0|2>.<weight|bias>`. The reference trains inside DataParallel,
 * which puts "module." in front; its own loading code expects that.
 */
export async function modelStateDict(model: HeadSource, prefix = "module."): Promise<Map<string, TensorData>> {
  checkArgument("model", model, {
    attributes: ["text"],
    load: "function",
    dimension: "count",
    oneProj: "boolean",
    adapter: "boolean",
  });
  checkArgument("prefix?", prefix, "text");

  const tensors = new Map<string, TensorData>();
  for (let head = 0; head < headCount(model.oneProj, model.attributes.length); head++) {
    const weights = await model.load(head);
    for (const parameter of headParameters) {
      const shape = parameterShape(parameter, model.dimension);
      tensors.set(`${prefix}pool.${head}.${parameter}`, { dtype: "float32", shape, data: weights[parameter] });
    }
  }
  return tensors;
}

/**
 * A model from a state dict, with or without "module." in front of the names.
 *
 * A state dict does not tell whether the heads were trained as adapters: that has to be known.
 *
 * @throws VillaError `Mismatch` when heads are missing, incomplete, of different sizes, or not as many as attributes
 */
export function modelFromStateDict(
  tensors: ReadonlyMap<string, TensorData>,
  options: {
    readonly attributes: readonly string[];
    readonly adapter?: boolean | undefined;
    readonly dimension?: number | undefined;
  },
): MappingModel {
  checkArgument("tensors", tensors, "Map");
  checkArgument("options", options, { attributes: ["text"], "adapter?": "boolean", "dimension?": "count" });

  const heads = new Map<number, Map<string, TensorData>>();
  for (const [name, tensor] of tensors) {
    const match = /(?:^|\.)pool\.(\d+)\.([02]\.(?:weight|bias))$/.exec(name);
    if (!match) continue;
    const head = Number(match[1]);
    heads.set(head, (heads.get(head) ?? new Map()).set(match[2]!, tensor));
  }
  if (heads.size === 0) {
    throw new VillaError(
      "Mismatch",
      `The checkpoint holds no projection heads: no tensor is named pool.<n>.0.weight or the like, but ${someNames(tensors.keys())}.`,
    );
  }
  const dimension = heads.values().next().value!.get("0.weight")?.shape[0] ?? 0;
  if (options.dimension !== undefined && options.dimension !== dimension) {
    throw new VillaError(
      "Mismatch",
      `The checkpoint's heads have ${dimension} dimensions, but the embeddings have ${options.dimension}; it was trained with another encoder.`,
    );
  }
  const oneProj = heads.size === 1 && options.attributes.length > 1;
  const weights = Array.from({ length: heads.size }, (_, head) => readHeadTensors(head, heads.get(head), dimension));
  return makeModel({ dimension, oneProj, adapter: options.adapter ?? false, attributes: options.attributes }, weights);
}

function readHeadTensors(
  head: number,
  tensors: ReadonlyMap<string, TensorData> | undefined,
  dimension: number,
): HeadWeights {
  return headFrom((parameter) => {
    const tensor = tensors?.get(parameter);
    const expected = parameterShape(parameter, dimension);
    if (!tensor) throw new VillaError("Mismatch", `The checkpoint lacks pool.${head}.${parameter}; it is incomplete.`);
    if (tensor.shape.join() !== expected.join()) {
      throw new VillaError(
        "Mismatch",
        `The checkpoint's pool.${head}.${parameter} is [${tensor.shape}], not [${expected}].`,
      );
    }
    return toFloat32(tensor);
  });
}

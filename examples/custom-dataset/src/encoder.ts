// A CLIP of two small vision and text transformers in a folder as Hugging Face lays it out, its weights random: what a
// downloaded model looks like, without the download.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { RandomState, type TensorData, writeSafetensors } from "@villa/data";
import { clipTokenizerFiles } from "@villa/encoders";

const [width, hidden, heads, embedDim] = [64, 128, 4, 64];
const [imageSize, patchSize, visionLayers] = [64, 8, 3];
const [vocabulary, contextLength, textLayers] = [49_408, 77, 1];

/** Writes `config.json`, `model.safetensors`, `preprocessor_config.json` and the tokenizer. */
export function makeEncoder(folder: string, seed = 7): void {
  mkdirSync(folder, { recursive: true });
  const write = (name: string, contents: object) => writeFileSync(join(folder, name), JSON.stringify(contents));
  const common = {
    hidden_size: width,
    intermediate_size: hidden,
    num_attention_heads: heads,
    projection_dim: embedDim,
  };
  write("config.json", {
    architectures: ["CLIPModel"],
    model_type: "clip",
    projection_dim: embedDim,
    vision_config: { ...common, num_hidden_layers: visionLayers, image_size: imageSize, patch_size: patchSize },
    text_config: {
      ...common,
      num_hidden_layers: textLayers,
      vocab_size: vocabulary,
      max_position_embeddings: contextLength,
      eos_token_id: vocabulary - 1,
    },
  });
  write("preprocessor_config.json", {
    image_processor_type: "CLIPImageProcessor",
    do_center_crop: true,
    crop_size: { height: imageSize, width: imageSize },
    size: { shortest_edge: imageSize },
    image_mean: [0.48145466, 0.4578275, 0.40821073],
    image_std: [0.26862954, 0.26130258, 0.27577711],
  });
  const { tokenizer, config } = clipTokenizerFiles(contextLength);
  write("tokenizer.json", tokenizer);
  write("tokenizer_config.json", config);
  writeFileSync(join(folder, "model.safetensors"), writeSafetensors(randomWeights(new RandomState(seed))));
}

function randomWeights(random: RandomState): Map<string, TensorData> {
  const weights = new Map<string, TensorData>();
  /** Normal values of a deviation, or all of one value. */
  const add = (name: string, shape: number[], { deviation = 0, value = 0 } = {}) => {
    const length = shape.reduce((product, side) => product * side, 1);
    const data = Float32Array.from({ length }, () => (deviation > 0 ? deviation * random.normal() : value));
    weights.set(name, { dtype: "float32", shape, data });
  };
  const addMatrix = (name: string, outputs: number, inputs: number) =>
    add(`${name}.weight`, [outputs, inputs], { deviation: inputs ** -0.5 });
  const addLinear = (name: string, outputs: number, inputs: number) => {
    addMatrix(name, outputs, inputs);
    add(`${name}.bias`, [outputs]);
  };
  const addNorm = (name: string) => {
    add(`${name}.weight`, [width], { value: 1 });
    add(`${name}.bias`, [width]);
  };
  const addBlocks = (tower: string, layers: number) => {
    for (let layer = 0; layer < layers; layer++) {
      const name = `${tower}.encoder.layers.${layer}`;
      for (const part of ["q", "k", "v", "out"]) addLinear(`${name}.self_attn.${part}_proj`, width, width);
      for (const norm of ["layer_norm1", "layer_norm2"]) addNorm(`${name}.${norm}`);
      addLinear(`${name}.mlp.fc1`, hidden, width);
      addLinear(`${name}.mlp.fc2`, width, hidden);
    }
  };

  const vision = "vision_model.embeddings";
  add(`${vision}.class_embedding`, [width], { deviation: 0.5 });
  add(`${vision}.patch_embedding.weight`, [width, 3, patchSize, patchSize], {
    deviation: (3 * patchSize ** 2) ** -0.5,
  });
  add(`${vision}.position_embedding.weight`, [(imageSize / patchSize) ** 2 + 1, width], { deviation: 0.02 });
  addNorm("vision_model.pre_layrnorm");
  addBlocks("vision_model", visionLayers);
  addNorm("vision_model.post_layernorm");
  addMatrix("visual_projection", embedDim, width);

  add("text_model.embeddings.token_embedding.weight", [vocabulary, width], { deviation: 1 });
  add("text_model.embeddings.position_embedding.weight", [contextLength, width], { deviation: 0.02 });
  addBlocks("text_model", textLayers);
  addNorm("text_model.final_layer_norm");
  addMatrix("text_projection", embedDim, width);
  add("logit_scale", [], { value: Math.log(1 / 0.07) });
  return weights;
}

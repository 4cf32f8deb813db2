import { checkArgument, type TensorData, VillaError } from "@villa/data";
import { exportDualModel } from "../onnx/dual-graph.ts";
import type { OnnxPrecision } from "../onnx/graph.ts";
import { exportTextModel } from "../onnx/text-graph.ts";
import { exportVisionModel } from "../onnx/vision-graph.ts";
import type { Json } from "../text/settings.ts";
import type { TowerDescription } from "../tower.ts";
import { type VitConfig, vitRule } from "../vit/config.ts";
import { type HuggingFaceText, huggingFaceText } from "./text.ts";
import { huggingFaceVision, preprocessorConfig, type StateDict } from "./vision.ts";

/** The towers that {@link huggingFaceModel} lays out. */
export interface HuggingFaceSource {
  readonly image: { readonly config: VitConfig; readonly weights: StateDict };
  /** Left out of the folder where `transformers` has no class for it beside such an image tower. */
  readonly text?: (TowerDescription & { readonly weights: StateDict }) | undefined;
  /** Natural logarithm of what cosines are multiplied with: log 1/τ. */
  readonly logitScale: number;
  /** b of SigLIP's loss. Default 0. */
  readonly logitBias?: number | undefined;
}

/** A model as Hugging Face's folders hold it. */
export interface HuggingFaceModel {
  /** Class in `transformers` and transformers.js. */
  readonly architecture: string;
  /** Whether the text tower is part of it. */
  readonly hasText: boolean;
  /** `config.json` */
  readonly config: Json;
  /** `preprocessor_config.json` */
  readonly preprocessor: Json;
  /** `model.safetensors` */
  readonly tensors: ReadonlyMap<string, TensorData>;
  /** Models of `onnx/` by name without ending, as transformers.js looks for them. Each is written when it is called. */
  readonly onnx: Readonly<Record<string, (precision: OnnxPrecision) => Uint8Array>>;
}

/**
 * A vision transformer, with its text tower where `transformers` has a class for both, in Hugging Face's layout:
 * `CLIPModel`, `SiglipModel`, `Dinov2Model`, or the image side of one alone.
 *
 * @throws VillaError `Unsupported` for an image tower without a class there, `Mismatch` for a missing weight
 */
export function huggingFaceModel(source: HuggingFaceSource): HuggingFaceModel {
  checkArgument("source", source, {
    image: { config: vitRule, weights: "Map" },
    "text?": { weights: "Map" },
    logitScale: "number",
    "logitBias?": "number",
  });
  const { image, text, logitScale, logitBias = 0 } = source;
  if (!image.config.input) throw new VillaError("InvalidArgument", "The image tower's pixel statistics are missing.");
  const vision = huggingFaceVision(image.config, image.weights);
  const words = text && huggingFaceText(text, text.weights);
  const preprocessor = preprocessorConfig(image.config.input, vision.kind);
  const ofImage = (precision: OnnxPrecision) => exportVisionModel(vision.weights, vision.config, { precision });
  if (words?.kind === vision.kind) {
    const { json, ...own } = pair[words.kind];
    const ofPair = { image: vision, text: { ...words.tower, weights: words.weights }, logitScale, logitBias };
    return {
      architecture: own.architecture,
      hasText: true,
      config: { architectures: [own.architecture], ...json(vision.json, words), dtype: "float32" },
      preprocessor: { ...preprocessor, processor_class: own.processor },
      tensors: new Map([...vision.weights, ...words.weights, ...own.scalars(logitScale, logitBias)]),
      onnx: {
        vision_model: ofImage,
        text_model: (precision) => exportTextModel(words.weights, words.tower, { precision }),
        model: (precision) => exportDualModel(ofPair, { precision }),
      },
    };
  }
  const architecture = alone[vision.kind];
  return {
    architecture,
    hasText: false,
    config: { architectures: [architecture], ...vision.json, dtype: "float32" },
    preprocessor,
    tensors: vision.weights,
    onnx: { [vision.kind === "clip" || vision.kind === "siglip" ? "vision_model" : "model"]: ofImage },
  };
}

const alone = {
  clip: "CLIPVisionModelWithProjection",
  siglip: "SiglipVisionModel",
  dinov2: "Dinov2Model",
  dinov2_with_registers: "Dinov2WithRegistersModel",
} as const;

const scalar = (value: number, shape: number[]): TensorData => ({
  dtype: "float32",
  shape,
  data: Float32Array.of(value),
});

/** Models of two towers. */
const pair = {
  clip: {
    architecture: "CLIPModel",
    processor: "CLIPProcessor",
    json: (vision: Json, { json: text }: HuggingFaceText): Json => ({
      model_type: "clip",
      projection_dim: vision.projection_dim,
      text_config: text,
      vision_config: vision,
    }),
    scalars: (scale: number, _bias: number): [string, TensorData][] => [["logit_scale", scalar(scale, [])]],
  },
  siglip: {
    architecture: "SiglipModel",
    processor: "SiglipProcessor",
    json: (vision: Json, { json: text }: HuggingFaceText): Json => ({
      model_type: "siglip",
      text_config: text,
      vision_config: vision,
    }),
    scalars: (scale: number, bias: number): [string, TensorData][] => [
      ["logit_scale", scalar(scale, [1])],
      ["logit_bias", scalar(bias, [1])],
    ],
  },
} as const;

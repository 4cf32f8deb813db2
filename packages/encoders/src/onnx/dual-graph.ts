import { checkArgument } from "@villa/data";
import type { TowerDescription } from "../tower.ts";
import { type VitConfig, vitRule } from "../vit/config.ts";
import { addText } from "./text-graph.ts";
import { type GraphWeights, type OnnxExportOptions, startGraph, TransformerLayers } from "./transformer-layers.ts";
import { addVision } from "./vision-graph.ts";

/** A pair of towers: what {@link exportDualModel} joins. */
export interface DualModel {
  readonly image: { readonly weights: GraphWeights; readonly config: VitConfig };
  readonly text: TowerDescription & { readonly weights: GraphWeights };
  /** Natural logarithm of what cosines are multiplied with. */
  readonly logitScale: number;
  /** Added after that. Default 0. */
  readonly logitBias?: number | undefined;
}

/**
 * Both towers as one ONNX file, as transformers.js's `CLIPModel` and `SiglipModel` have it.
 *
 * Inputs: `input_ids` int64 [texts, tokens] and `pixel_values` float32 [images, 3, side, side]. Outputs, all float32:
 * `logits_per_image` [images, texts], `logits_per_text`, and the L2-normalised `text_embeds` and `image_embeds`.
 *
 * @throws VillaError as `exportVisionModel` and `exportTextModel`
 */
export function exportDualModel(model: DualModel, options: OnnxExportOptions = {}): Uint8Array {
  checkArgument("model", model, {
    image: { weights: "Map", config: vitRule },
    text: { weights: "Map", family: "text", config: "object" },
    logitScale: "number",
    "logitBias?": "number",
  });
  const { image, text, logitScale, logitBias = 0 } = model;
  const { graph, layers } = startGraph(image.weights, options);
  const ofText = addText(new TransformerLayers(graph, text.weights), text);
  const ofImage = addVision(layers, image.config);
  const [texts, images] = [ofText.pooled, ofImage.pooled].map((rows) => layers.normalized(rows)) as [string, string];
  const cosines = graph.node("MatMul", [texts, graph.node("Transpose", [images], { perm: [1, 0] })]);
  const scaled = graph.node("Mul", [cosines, graph.scalar(Math.exp(logitScale))]);
  const perText = graph.node("Add", [scaled, graph.scalar(logitBias)]);
  const perImage = graph.node("Transpose", [perText], { perm: [1, 0] });
  graph.realOutput(perImage, "logits_per_image", ["images", "texts"]);
  graph.realOutput(perText, "logits_per_text", ["texts", "images"]);
  graph.realOutput(texts, "text_embeds", ["texts", ofText.embedDim]);
  graph.realOutput(images, "image_embeds", ["images", image.config.embedDim]);
  return graph.finish("villa-model");
}

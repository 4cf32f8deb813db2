/**
 * Encoders of pictures, regions and texts: CLIP's towers, other vision transformers, BERT, ONNX graphs, or none at
 * all.
 *
 * @example
 * import { pixelsEncoder } from "@villa/encoders";
 *
 * const encoder = pixelsEncoder({ dimension: 256 }); // or openEncoder of @villa/encoders/node
 * const image = { width: 84, height: 84, channels: 3, data: new Uint8Array(3 * 84 * 84) } as const;
 * const regions = await encoder.encodeRegions([image], [[[0, 0, 28, 28], [10, 10, 60, 70]]]); // [2, 256]
 * const texts = await encoder.encodeText(["the color is red"]); // [1, 256]
 *
 * @module
 */
export { blobFiles } from "./blob-files.ts";
export { checkNames } from "./check-weights.ts";
export {
  type ClipEncoderOptions,
  ClipModel,
  clipEncoder,
  type LoadClipOptions,
  loadClip,
} from "./clip/clip-encoder.ts";
export { type InitOptions, initModifiedResNet } from "./clip/clip-family.ts";
export { ModifiedResNet } from "./clip/modified-resnet.ts";
export {
  type ClipConfig,
  type ModifiedResNetConfig,
  type ParameterShapes,
  rn50Config,
  type TextTransformerConfig,
  textParameterShapes,
  visionParameterShapes,
  type WeightArray,
} from "./clip/parameters.ts";
export {
  type CheckedClip,
  visionStateDict,
  visionVariables,
} from "./clip/state-dict.ts";
export { attributeEmbeddings, type Encoder, joinEncoders } from "./encoder.ts";
export type { EncoderFiles, TensorHeader, WeightSource } from "./files.ts";
export { clipTokenizerFiles, type TokenizerFiles } from "./hugging-face/clip-tokenizer.ts";
export { type HuggingFaceModel, type HuggingFaceSource, huggingFaceModel } from "./hugging-face/layout.ts";
export { type DualModel, exportDualModel } from "./onnx/dual-graph.ts";
export { exportRegionEncoder } from "./onnx/export-region-encoder.ts";
export type { OnnxPrecision } from "./onnx/graph.ts";
export {
  type OnnxFiles,
  type OnnxInput,
  type OnnxModel,
  type OnnxOutput,
  type OnnxRuntime,
  type OnnxSession,
  type OnnxTensor,
  type OnnxValue,
  openOnnxModel,
} from "./onnx/runtime.ts";
export { exportTextModel } from "./onnx/text-graph.ts";
export type { GraphWeights, OnnxExportOptions } from "./onnx/transformer-layers.ts";
export { exportVisionModel, exportVisionRegionEncoder } from "./onnx/vision-graph.ts";
export { pixelsEncoder } from "./pixels-encoder.ts";
export { groupRegions, type ImageMasks, type RegionMask, type Regions } from "./regions/group-regions.ts";
export {
  imageTensor,
  type PictureInput,
  type PixelStatistics,
  plainInput,
  regionInput,
} from "./regions/picture-input.ts";
export { type Resample, resizeImage } from "./regions/resize.ts";
export {
  imageTowers,
  loadImageEncoder,
  loadTextTower,
  type Registry,
  recogniseFamily,
  textTowers,
} from "./registry.ts";
export {
  bertFamily,
  clipTextFamily,
  openClipTextFamily,
  siglipTextFamily,
  type TextEncoderFamily,
} from "./text/families.ts";
export type { TextEncoder } from "./text/text-encoder.ts";
export type { TextArchitecture, TextSizes, TokenRows, TokenTower, Weights } from "./text/token-tower.ts";
export type { TextTokenizer } from "./tokenizer/text-tokenizer.ts";
export { ClipTokenizer, type TokenBatch } from "./tokenizer/tokenizer.ts";
export type {
  EncoderFamily,
  ForwardOptions,
  ImageEncoder,
  ImageFamily,
  ImageTower,
  LoadRequest,
  RegionOptions,
  TextFamily,
  TextTower,
  TowerConfig,
  TowerDescription,
  TrainablePart,
} from "./tower.ts";
export { type VitConfig, vitParameterShapes } from "./vit/config.ts";
export { VisionTransformer } from "./vit/vision-transformer.ts";

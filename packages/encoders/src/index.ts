export { type ClipEncoderOptions, clipEncoder } from "./clip/clip-encoder.ts";
export { ClipModel, type LoadClipOptions, loadClip } from "./clip/clip-model.ts";
export {
  type ClipConfig,
  type ModifiedResNetConfig,
  readClipConfig,
  rn50Config,
  type TextTransformerConfig,
} from "./clip/config.ts";
export { type InitOptions, initModifiedResNet } from "./clip/initialize.ts";
export { type ForwardOptions, ModifiedResNet } from "./clip/modified-resnet.ts";
export { type ParameterShapes, textParameterShapes, visionParameterShapes } from "./clip/parameter-shapes.ts";
export { assignVisionWeights, hwioToOihw, oihwToHwio, visionStateDict, visionVariables } from "./clip/parameters.ts";
export { type CheckedClip, checkClipStateDict } from "./clip/state-dict.ts";
export { TextTransformer, type WeightArray } from "./clip/text-transformer.ts";
export { attributeEmbeddings, type Box, type Encoder } from "./encoder.ts";
export { imageTensor } from "./image-tensor.ts";
export { exportRegionEncoder } from "./onnx/export-region-encoder.ts";
export { pixelsEncoder } from "./pixels-encoder.ts";
export { cropRegion } from "./regions/crop-region.ts";
export { groupRegions, type Regions } from "./regions/group-regions.ts";
export { cleanText } from "./tokenizer/clean-text.ts";
export { ClipTokenizer, type TokenBatch } from "./tokenizer/tokenizer.ts";
export { endOfText, startOfText } from "./tokenizer/vocabulary.ts";
export { wordHashEmbeddings } from "./word-hash.ts";

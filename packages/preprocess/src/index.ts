export { ClipModel, type LoadClipOptions, loadClip } from "./clip/clipModel.ts";
export {
  type ClipConfig,
  type ModifiedResNetConfig,
  readClipConfig,
  rn50Config,
  type TextTransformerConfig,
} from "./clip/config.ts";
export { type InitOptions, initModifiedResNet } from "./clip/initialize.ts";
export { type ForwardOptions, ModifiedResNet } from "./clip/modifiedResNet.ts";
export { type ParameterShapes, textParameterShapes, visionParameterShapes } from "./clip/parameterShapes.ts";
export { assignVisionWeights, hwioToOihw, oihwToHwio, visionStateDict, visionVariables } from "./clip/parameters.ts";
export { groupRegions, type Regions } from "./clip/regions.ts";
export { type CheckedClip, checkClipStateDict } from "./clip/stateDict.ts";
export { TextTransformer, type WeightArray } from "./clip/textTransformer.ts";
export { type ClipEncoderOptions, clipEncoder } from "./encoders/clipEncoder.ts";
export { cropRegion } from "./encoders/cropRegion.ts";
export { attributeEmbeddings, type Box, type Encoder } from "./encoders/encoder.ts";
export { pixelsEncoder } from "./encoders/pixelsEncoder.ts";
export { wordHashEmbeddings } from "./encoders/wordHash.ts";
export { cleanText } from "./tokenizer/cleanText.ts";
export { ClipTokenizer, type TokenBatch } from "./tokenizer/tokenizer.ts";
export { endOfText, startOfText } from "./tokenizer/vocabulary.ts";

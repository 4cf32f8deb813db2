/**
 * File formats (NumPy, pickle, torch, safetensors, Arrow, zip, images) and the dataset that is made of them.
 *
 * @example
 * import { loadStateDict, readFeather, readNpz, saveTorch, writeFeather, writeNpz } from "@villa/data";
 *
 * const weights = { dtype: "float32" as const, shape: [2, 3], data: new Float32Array(6) };
 * readNpz(writeNpz({ w: weights })).get("w"); // as np.load reads it
 * const checkpoint = saveTorch({ epoch: 3, state_dict: { "layer.weight": weights } });
 * loadStateDict(checkpoint).get("layer.weight"); // as torch.load reads it
 * const table = await writeFeather([{ name: "id", type: "int64", values: [1, 2] }]);
 * (await readFeather(table)).rows(); // as pandas.read_feather reads it
 *
 * @module
 */
export {
  type AnnotationWriter,
  type Box,
  countMasks,
  createAnnotationWriter,
  type ImageAnnotation,
  type MappingAnnotation,
  readAnnotations,
  readMappings,
  regionMasks,
  writeAnnotations,
} from "./dataset/annotations.ts";
export { parseJson } from "./dataset/json.ts";
export type { ProgressListener, ProgressUpdate } from "./dataset/progress.ts";
export {
  encodeRegionNpz,
  encodeRegionSafetensors,
} from "./dataset/region-file.ts";
export { checkShard, ownsPart, parseShard, type Shard, shardFromEnvironment } from "./dataset/shard.ts";
export { type DatasetTexts, datasetTexts, originalTexts } from "./dataset/texts/dataset-texts.ts";
export { AttributeMentions, type MentionState } from "./dataset/texts/mentions.ts";
export {
  isEnglish,
  type ProseOptions,
  proseSentences,
  type SentencedText,
  storedSentences,
} from "./dataset/texts/prose-sentences.ts";
export { reportSections } from "./dataset/texts/report-sections.ts";
export {
  functionWords,
  joinSentences,
  type SentenceOptions,
  sentences,
  splitJoined,
  wordsOf,
} from "./dataset/texts/sentences.ts";
export {
  type AttributeGroup,
  type AttributePrompts,
  type AttributeVocabulary,
  attributeNames,
  attributePrompts,
  docMnistVocabulary,
  formatVocabulary,
  parseVocabulary,
  type UncertainChoice,
  vocabularyWithTruth,
  withoutTruthNote,
} from "./dataset/vocabulary.ts";
export { firstLine, isVillaError, throwIfAborted, VillaError, type VillaErrorCode } from "./errors.ts";
export { type ArgumentRule, checkArgument } from "./formats/check-arguments.ts";
export { type FeatherTable, readFeather } from "./formats/feather/read.ts";
export {
  createFeatherWriter,
  type FeatherColumn,
  type FeatherType,
  type FeatherWriteOptions,
  type FeatherWriter,
  writeFeather,
} from "./formats/feather/write.ts";
export { float32ToFloat16 } from "./formats/half.ts";
export { decodeImage } from "./formats/image/decode.ts";
export { encodePng, type RgbaImage } from "./formats/image/encode.ts";
export { decodeLabelMap } from "./formats/image/label-map.ts";
export type { LabelMap } from "./formats/image/png.ts";
export type { RgbImage } from "./formats/image/rgb-image.ts";
export type { ReadLimits } from "./formats/limits.ts";
export { polygonsRle } from "./formats/mask/polygon-rle.ts";
export {
  decodeRle,
  encodeRle,
  forEachRun,
  type ImageSize,
  mergeRles,
  type Rle,
  resizeRle,
  rleArea,
  rleBox,
} from "./formats/mask/rle.ts";
export { formatRleString, parseRleString } from "./formats/mask/rle-string.ts";
export { parseSegmentation } from "./formats/mask/segmentation.ts";
export type {
  ComplexArray,
  NpyArray,
  ObjectArray,
  TextArray,
} from "./formats/numpy/array.ts";
export { type NpyOptions, readNpy, writeNpy } from "./formats/numpy/npy.ts";
export { type NpzWriteOptions, readNpz, writeNpz } from "./formats/numpy/npz.ts";
export { readSparseCoo, type SparseWriteOptions, writeSparseCoo } from "./formats/numpy/sparse.ts";
export { PythonFloat } from "./formats/pickle/writer.ts";
export { ProtobufWriter } from "./formats/protobuf.ts";
export { RandomState, type RandomStateSnapshot } from "./formats/random.ts";
export { otherKind } from "./formats/recognize.ts";
export type { SafetensorsEntry } from "./formats/safetensors/header.ts";
export {
  openSafetensors,
  type RangeSource,
  readSafetensors,
  type SafetensorsFile,
  type SafetensorsOptions,
} from "./formats/safetensors/read.ts";
export { writeSafetensors } from "./formats/safetensors/write.ts";
export {
  checkFinite,
  type DataType,
  isTensorData,
  type TensorData,
  type TypedArray,
  toFloat32,
} from "./formats/tensor.ts";
export { TorchObject } from "./formats/torch/globals.ts";
export { openStateDict, type TorchStateDictFile } from "./formats/torch/open.ts";
export { loadTorch, type TorchReadOptions } from "./formats/torch/read.ts";
export { loadStateDict, StateDict, someNames, withoutCommonPrefix } from "./formats/torch/state-dict.ts";
export { UnsupportedTensor } from "./formats/torch/types.ts";
export { saveTorch, type TorchWriteOptions } from "./formats/torch/write.ts";
export { crc32, crcTables } from "./formats/zip/crc32.ts";
export type { CompressionLevel } from "./formats/zip/writer.ts";
export { decompressZstd } from "./formats/zstd/decompress.ts";

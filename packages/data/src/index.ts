export {
  type AnnotationWriter,
  createAnnotationWriter,
  type ImageAnnotation,
  type MappingAnnotation,
  readAnnotations,
  readMappings,
  writeAnnotations,
} from "./dataset/annotations.ts";
export { AttributeMentions } from "./dataset/mentions.ts";
export {
  type AttributeGroup,
  type AttributePrompts,
  type AttributeVocabulary,
  attributeNames,
  attributePrompts,
  docMnistVocabulary,
  formatVocabulary,
  parseVocabulary,
} from "./dataset/vocabulary.ts";
export {
  decodeRegionNpz,
  decodeRegionSafetensors,
  encodeRegionNpz,
  encodeRegionSafetensors,
} from "./embeddings/regionFile.ts";
export { isVillaError, VillaError, type VillaErrorCode } from "./errors.ts";
export { type FeatherTable, readFeather } from "./feather/read.ts";
export {
  createFeatherWriter,
  type FeatherColumn,
  type FeatherType,
  type FeatherWriteOptions,
  type FeatherWriter,
  writeFeather,
} from "./feather/write.ts";
export { decodeImage, type RgbImage } from "./image/decode.ts";
export type { ReadLimits } from "./limits.ts";
export {
  type ComplexArray,
  expectTensor,
  isObjectArray,
  type NpyArray,
  type ObjectArray,
  type TextArray,
} from "./numpy/array.ts";
export { type NpyOptions, readNpy, writeNpy } from "./numpy/npy.ts";
export { type NpzWriteOptions, readNpz, writeNpz } from "./numpy/npz.ts";
export { PythonFloat } from "./pickle/writer.ts";
export type { ProgressListener, ProgressUpdate } from "./progress.ts";
export { RandomState, type RandomStateSnapshot } from "./random.ts";
export {
  openSafetensors,
  type RangeSource,
  readSafetensors,
  type SafetensorsEntry,
  type SafetensorsFile,
  type SafetensorsOptions,
  writeSafetensors,
} from "./safetensors.ts";
export { parseShard, type Shard, shardFromEnvironment } from "./shard.ts";
export { readSparseCoo, type SparseWriteOptions, writeSparseCoo } from "./sparse.ts";
export {
  type DataType,
  elementCount,
  isDataType,
  isTensorData,
  itemSize,
  type TensorData,
  type TypedArray,
  toFloat32,
} from "./tensor.ts";
export { TorchObject } from "./torch/globals.ts";
export { loadTorch, type TorchReadOptions } from "./torch/read.ts";
export { loadStateDict } from "./torch/stateDict.ts";
export { saveTorch, type TorchWriteOptions } from "./torch/write.ts";
export { crc32, crcTables } from "./zip/crc32.ts";
export type { CompressionLevel } from "./zip/writer.ts";

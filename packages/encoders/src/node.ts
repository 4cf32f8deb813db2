export { isSafetensorsFile, openEncoderFiles, openWeights } from "./node/encoder-files.ts";
export {
  isCheckpoint,
  type ModelDescription,
  modelDescription,
  type OpenEncoderOptions,
  type OpenedEncoder,
  openEncoder,
  openTextTower,
  requireEncoder,
  type TextSide,
} from "./node/open-encoder.ts";
export {
  type DownloadClipOptions,
  downloadClipWeights,
  hashWeights,
  loadClipFile,
  readWeights,
  rn50Sha256,
  rn50Url,
} from "./node/weights.ts";

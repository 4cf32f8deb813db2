export {
  type DownloadClipOptions,
  downloadClipWeights,
  hashWeights,
  loadClipFile,
  readWeights,
  rn50Sha256,
  rn50Url,
} from "./node/weights.ts";

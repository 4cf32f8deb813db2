/**
 * Encoders from disk or from a hub: Hugging Face and OpenCLIP folders, OpenAI's archives, ONNX.
 *
 * @example
 * import { openEncoder } from "@villa/encoders/node";
 *
 * const { image, text } = await openEncoder("hf:openai/clip-vit-base-patch16"); // or a folder, a file, "clip-rn50"
 * const texts = await text?.encodeText(["a photo of a mug"]); // [1, 512]
 * image.dispose();
 * text?.dispose();
 *
 * @module
 */
export { openEncoderFiles, openOnnxFile } from "./node/encoder-files.ts";
export { type DownloadedModel, type DownloadModelOptions, downloadModel } from "./node/hub.ts";
export {
  hashEncoder,
  isCheckpoint,
  type ModelDescription,
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
  loadClipFile,
  readWeights,
} from "./node/weights.ts";

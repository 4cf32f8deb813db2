import { join } from "node:path";
import { checkArgument, loadStateDict, type ProgressListener, readSafetensors, type TensorData } from "@villa/data";
import { cacheDirectory, downloadFile, hashFile, readFileBytes, withPath } from "@villa/data/node";
import { type ClipModel, type LoadClipOptions, loadClip } from "../clip/clip-encoder.ts";

/** sha256 of OpenAI's RN50.pt, which is also part of its address. */
const rn50Sha256 = "afeb0e10f9e5a86da6080e35cf09123aca3b358a0c3e3b6c78a7b63bc04b6762";

/** Where OpenAI publishes RN50.pt (244 MB). */
const rn50Url = `https://openaipublic.azureedge.net/clip/models/${rn50Sha256}/RN50.pt`;

/** Where CLIP weights come from and go. */
export interface DownloadClipOptions {
  /** Default: the cache folder. */
  readonly directory?: string | undefined;
  /** Addresses to try, first to last. Default OpenAI's. */
  readonly urls?: readonly string[] | undefined;
  readonly sha256?: string | undefined;
  readonly onProgress?: ProgressListener | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * OpenAI's CLIP RN50 from the cache, or downloaded into it. An interrupted download goes on where it stopped.
 *
 * @returns the path of RN50.pt
 * @throws VillaError `Network`, `ChecksumMismatch`, `FileSystem`, `Aborted`
 */
export function downloadClipWeights(options: DownloadClipOptions = {}): Promise<string> {
  checkArgument("options?", options, {
    "directory?": "text",
    "urls?": ["text"],
    "sha256?": "text",
    "onProgress?": "function",
    "signal?": "object",
  });

  const { directory = cacheDirectory(), urls = [rn50Url], sha256 = rn50Sha256, onProgress, signal } = options;
  return downloadFile({
    urls,
    sha256,
    path: join(directory, "RN50.pt"),
    onProgress,
    signal,
  });
}

/** The tensors of a weights file: OpenAI's TorchScript archive, a torch state dict (zip or legacy) or safetensors. */
export async function readWeights(path: string): Promise<Map<string, TensorData>> {
  const bytes = await readFileBytes(path);
  // Halves stay views of the file until each is needed: widened together, RN50's would take 400 MB.
  const options = { raw: true };
  return withPath(path, () =>
    isSafetensors(bytes) ? readSafetensors(bytes, options).tensors : loadStateDict(bytes, options),
  );
}

/**
 * Loads CLIP from a weights file of any kind that {@link readWeights} understands.
 *
 * @throws VillaError `NotFound`, `InvalidFile`, `UnsafeFile`, `Mismatch`, `NotFinite`, naming the file
 */
export async function loadClipFile(path: string, options: LoadClipOptions = {}): Promise<ClipModel> {
  const stateDict = await readWeights(path);
  return withPath(path, () => loadClip(stateDict, options));
}

/** sha256 of a weights file, for the manifest. */
export function hashWeights(path: string): Promise<string> {
  return hashFile(path, "sha256");
}

/** Safetensors begin with the length of a JSON object, then that object. */
function isSafetensors(bytes: Uint8Array): boolean {
  return bytes.length > 9 && bytes[8] === 0x7b && bytes[7] === 0 && bytes[6] === 0;
}

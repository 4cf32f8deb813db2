/**
 * DocMNIST on disk: MNIST's files, datasets, their digests and pictures of them.
 *
 * @example
 * import { downloadMnist, loadMnist, writeDataset } from "@villa/docmnist/node";
 *
 * const digits = await loadMnist(await downloadMnist());
 * const { directory } = await writeDataset({ digits, attributeBudget: 30_000, targetSampleComplexity: 16, out: "data" });
 *
 * @module
 */
export type { CommandContext, ExitCode, RegisterCommand, Terminal } from "@villa/command-kit";
export { registerDocmnist, registerVisualize } from "./command/run.ts";
export { digestDataset, type SplitDigest } from "./node/digest.ts";
export {
  downloadMnist,
  loadMnist,
  type MnistDigits,
  type MnistDownloadOptions,
  type MnistFile,
} from "./node/mnist.ts";
export { type VisualizeOptions, visualizeDataset } from "./node/visualize.ts";
export {
  type SplitSummary,
  type WriteDatasetOptions,
  type WrittenDataset,
  writeDataset,
} from "./node/write-dataset.ts";

/**
 * Runs on disk: settings from files, the run's folder, its log and its checkpoints.
 *
 * @example
 * import { trainLoop } from "@villa/core";
 * import { folderCheckpoints, jsonlMetrics } from "@villa/core/node";
 *
 * // A run that keeps its best and last weights and its log; run again after an interruption, it goes on where it was.
 * const run = (training: Parameters<typeof trainLoop>[0]) =>
 *   trainLoop({
 *     ...training,
 *     checkpoints: folderCheckpoints("run"), // last.safetensors, best.safetensors
 *     metrics: jsonlMetrics("run/metrics.jsonl"),
 *     resume: true,
 *   });
 *
 * @module
 */
export { resolveConfigFiles } from "./config/config-files.ts";
export { folderCheckpoints, loadCheckpoint, readCheckpointExtra, saveCheckpoint } from "./run/node/checkpoint.ts";
export { jsonlMetrics, type MetricsFile, type MetricsLine, readMetrics } from "./run/node/jsonl-metrics.ts";
export { removeLeftovers } from "./run/node/leftovers.ts";
export { RunFolder, type RunFolderOptions } from "./run/node/run-folder.ts";

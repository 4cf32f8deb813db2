export { resolveConfigFiles } from "./config/config-files.ts";
export { folderCheckpoints, loadCheckpoint, readCheckpointExtra, saveCheckpoint } from "./run/node/checkpoint.ts";
export { jsonlMetrics, type MetricsFile, type MetricsLine, readMetrics } from "./run/node/jsonl-metrics.ts";
export { removeLeftovers } from "./run/node/leftovers.ts";
export { RunFolder, type RunFolderOptions } from "./run/node/run-folder.ts";

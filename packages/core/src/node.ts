export { folderCheckpoints, loadCheckpoint, readCheckpointExtra, saveCheckpoint } from "./node/checkpoint.ts";
export { resolveConfigFiles } from "./node/config.ts";
export { jsonlMetrics, readMetrics } from "./node/metrics.ts";

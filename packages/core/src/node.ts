export { resolveConfigFiles } from "./config/config-files.ts";
export { folderCheckpoints, loadCheckpoint, readCheckpointExtra, saveCheckpoint } from "./run/node/checkpoint.ts";
export { jsonlMetrics, readMetrics } from "./run/node/metrics.ts";

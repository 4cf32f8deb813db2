export { headFile, headSource, loadHeadState, saveHeadState } from "./node/head-files.ts";
export { loadSplits } from "./node/load-splits.ts";
export { openModel, writeTorchModel } from "./node/model-files.ts";
export { mergeShards, type RunFolder, runFolder } from "./node/run-folder.ts";
export { type MappedSplit, type RunOptions, runMapping, runStage1, type Stage1Result } from "./node/run-stage1.ts";
export type { MetricsLine } from "./node/stage1-log.ts";
export { mappingTasks } from "./node/task-module.ts";

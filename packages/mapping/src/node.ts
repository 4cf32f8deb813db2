export { headFile, headSource, loadHeadState, saveHeadState } from "./node/head-files.ts";
export type { MappedSplit } from "./node/map-stage1.ts";
export { openModel, writeTorchModel } from "./node/model-files.ts";
export { loadSplits } from "./node/open-stage1.ts";
export { runMapping, runStage1, type Stage1Result } from "./node/run-stage1.ts";
export { mergeShards, type Stage1Files, stage1Files } from "./node/stage1-files.ts";
export { mappingTasks } from "./node/tasks.ts";
export type { Stage1RunOptions } from "./node/train-stage1.ts";

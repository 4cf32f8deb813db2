/**
 * Stage 1 from folder to folder.
 *
 * @example
 * import { stage1Config } from "@villa/mapping";
 * import { runStage1 } from "@villa/mapping/node";
 *
 * const { mappings } = await runStage1(stage1Config({ dataDir: "data/mine", epochs: 10 }));
 * console.log(mappings[0]?.report?.f1);
 *
 * @module
 */
export type { MappedSplit } from "./node/map-stage1.ts";
export { openMappingModel } from "./node/model-files.ts";
export { runMapping, runStage1, type Stage1Result } from "./node/run-stage1.ts";
export { mergeShards } from "./node/stage1-files.ts";
export { mappingTasks } from "./node/tasks.ts";
export type { Stage1RunOptions } from "./node/train-stage1.ts";

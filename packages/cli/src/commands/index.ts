import type { RegisterCommand } from "./context.ts";
import { registerDocmnist } from "./docmnist.ts";
import { registerDoctor } from "./doctor.ts";
import { registerEvaluate } from "./evaluate.ts";
import { registerExperiment } from "./experiment.ts";
import { registerIngest } from "./ingest.ts";
import { registerMerge } from "./merge.ts";
import { registerPreprocess } from "./preprocess.ts";
import { registerQuery } from "./query.ts";
import { registerQuickstart } from "./quickstart.ts";
import { registerStage1 } from "./stage1.ts";
import { registerStage2 } from "./stage2.ts";
import { registerWebDataset } from "./webdataset.ts";

/** In the order in which `villa --help` lists them. */
export const commands: readonly RegisterCommand[] = [
  registerQuickstart,
  registerDocmnist,
  registerIngest,
  registerPreprocess,
  registerStage1,
  registerStage2,
  registerEvaluate,
  registerQuery,
  registerMerge,
  registerWebDataset,
  registerExperiment,
  registerDoctor,
];

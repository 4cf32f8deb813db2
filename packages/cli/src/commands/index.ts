import type { RegisterCommand } from "@villa/command-kit";
import { registerDocmnist, registerVisualize } from "@villa/docmnist/node";
import { registerCompare } from "./compare.ts";
import { registerDoctor } from "./doctor.ts";
import { registerEncode } from "./encode.ts";
import { registerEvaluate } from "./evaluate.ts";
import { registerExperiment } from "./experiment.ts";
import { registerIngest } from "./ingest.ts";
import { registerMerge } from "./merge.ts";
import { registerPreprocess } from "./preprocess.ts";
import { registerQuery } from "./query.ts";
import { registerQuickstart } from "./quickstart.ts";
import { registerSetup } from "./setup.ts";
import { registerStage1 } from "./stage1.ts";
import { registerStage2 } from "./stage2.ts";
import { registerWebDataset } from "./webdataset.ts";

/** A new command is its file and a line here. In the order in which `villa --help` lists them. */
export const commands: readonly RegisterCommand[] = [
  registerQuickstart,
  registerDocmnist,
  registerVisualize,
  registerIngest,
  registerPreprocess,
  registerEncode,
  registerStage1,
  registerStage2,
  registerEvaluate,
  registerCompare,
  registerQuery,
  registerMerge,
  registerWebDataset,
  registerExperiment,
  registerDoctor,
  registerSetup,
];

import { proxy, type Remote, wrap } from "comlink";
import type {
  DatasetSummary,
  InputFile,
  LaboratoryApi,
  ReadingProgress,
  TowerEvent,
  TowerSettings,
  TowersState,
  TrainEvent,
  TrainingResult,
  TrainSettings,
} from "./protocol.ts";

/** The worker, as the page calls it. */
export type RemoteLaboratory = Remote<LaboratoryApi>;

/** @param onFailure told when the worker cannot be loaded: no call is answered then */
export function startLaboratory(onFailure: (problem: string) => void): RemoteLaboratory {
  const worker = new Worker(new URL("./worker.ts", import.meta.url), { type: "module" });
  worker.addEventListener("error", ({ message }) => {
    // Errors that a script throws have a message.
    if (!message) onFailure("The part of this page that computes could not be loaded; check the network and reload.");
  });
  return wrap<LaboratoryApi>(worker);
}

export function importIn(
  laboratory: RemoteLaboratory,
  files: readonly InputFile[],
  listen: (progress: ReadingProgress) => void,
): Promise<DatasetSummary> {
  return laboratory.importFiles(files, proxy(listen));
}

export function trainIn(
  laboratory: RemoteLaboratory,
  settings: TrainSettings,
  listen: (event: TrainEvent) => void,
): Promise<TrainingResult> {
  return laboratory.train(settings, proxy(listen));
}

export function trainTowersIn(
  laboratory: RemoteLaboratory,
  settings: TowerSettings,
  listen: (event: TowerEvent) => void,
): Promise<TowersState> {
  return laboratory.trainTowers(settings, proxy(listen));
}

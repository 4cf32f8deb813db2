import { proxy, type Remote, wrap } from "comlink";
import type { LaboratoryApi, TrainEvent, TrainingResult, TrainSettings } from "./protocol.ts";

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

export function trainIn(
  laboratory: RemoteLaboratory,
  settings: TrainSettings,
  listen: (event: TrainEvent) => void,
): Promise<TrainingResult> {
  return laboratory.train(settings, proxy(listen));
}

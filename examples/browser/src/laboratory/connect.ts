import { proxy, type Remote, wrap } from "comlink";
import type { LaboratoryApi, TrainEvent, TrainingResult, TrainSettings } from "./protocol.ts";

/** The worker, as the page calls it. */
export type RemoteLaboratory = Remote<LaboratoryApi>;

export function startLaboratory(): RemoteLaboratory {
  return wrap<LaboratoryApi>(new Worker(new URL("./worker.ts", import.meta.url), { type: "module" }));
}

export function trainIn(
  laboratory: RemoteLaboratory,
  settings: TrainSettings,
  listen: (event: TrainEvent) => void,
): Promise<TrainingResult> {
  return laboratory.train(settings, proxy(listen));
}

import type { EpochSummary } from "@villa/mapping";
import { useCallback, useMemo, useRef, useState } from "preact/hooks";
import { type RemoteLaboratory, trainIn } from "../laboratory/connect.ts";
import type { BackendInUse, TrainEvent, TrainingResult, TrainSettings } from "../laboratory/protocol.ts";
import { canKeepFiles, keepEverything } from "../offline.ts";
import { problemOf } from "./problem.ts";

/** How far a task is. */
export interface Progress {
  readonly task: string;
  readonly done: number;
  readonly total: number;
  /** When it was first heard of, in ms, and how much was done by then: they tell the time that is left. */
  readonly since: { readonly time: number; readonly done: number };
}

/** What is known of a training. */
export interface TrainingState {
  /** "idle" also while the model that comes with the page is in use. */
  readonly kind: "idle" | "running" | "done";
  readonly backend?: BackendInUse | undefined;
  readonly embedded?: { readonly regions: number; readonly dimension: number; readonly seconds: number } | undefined;
  readonly progress?: Progress | undefined;
  readonly epochs: readonly EpochSummary[];
  /** Scores of the watched image's regions by attribute, as they come in. */
  readonly live: { readonly image: number; readonly scores: Readonly<Record<string, readonly number[]>> };
  readonly result?: TrainingResult | undefined;
  /** What was asked for, such as a stop before there was a result. */
  readonly notice?: string | undefined;
  /** What went wrong. */
  readonly problem?: string | undefined;
}

export interface Training {
  readonly state: TrainingState;
  start(settings: TrainSettings): void;
  stop(): void;
  reset(): void;
  /** Shows a model that was trained before: `shipped` with the page, or kept. */
  restore(result: TrainingResult, origin: "shipped" | "kept"): void;
}

const idle: TrainingState = { kind: "idle", epochs: [], live: { image: -1, scores: {} } };

/** The training of the page. Events are shown once a frame, however many there are. */
export function useTraining(laboratory: RemoteLaboratory): Training {
  const [state, setState] = useState(idle);
  const newest = useRef(idle);
  const frame = useRef(0);
  const stopping = useRef(false);

  const show = useCallback((next: TrainingState) => {
    newest.current = next;
    frame.current ||= requestAnimationFrame(() => {
      frame.current = 0;
      setState(newest.current);
    });
  }, []);

  const start = useCallback(
    (settings: TrainSettings) => {
      if (newest.current.kind === "running") return;
      stopping.current = false;
      show({ ...idle, kind: "running" });
      trainIn(laboratory, settings, (event) => show(afterEvent(newest.current, event))).then(
        (result) => {
          const { progress: _, ...rest } = newest.current;
          show({ ...rest, kind: "done", backend: result.backend, epochs: result.history, result });
          // The training's files were loaded anyway: keep all there are, for the next time without a network.
          if (canKeepFiles()) keepEverything().catch(() => undefined);
        },
        (error) => show({ ...idle, [stopping.current ? "notice" : "problem"]: problemOf(error) }),
      );
    },
    [laboratory, show],
  );
  const stop = useCallback(() => {
    stopping.current = true;
    laboratory.stop();
  }, [laboratory]);
  const reset = useCallback(() => show(idle), [show]);
  const restore = useCallback(
    (result: TrainingResult, origin: "shipped" | "kept") => {
      // A training that has begun meanwhile is newer.
      if (newest.current.kind === "running") return;
      const { backend, history: epochs } = result;
      const kind = origin === "kept" ? "done" : "idle";
      show({ ...idle, kind, epochs, result, backend: origin === "kept" ? backend : undefined });
    },
    [show],
  );
  return useMemo(() => ({ state, start, stop, reset, restore }), [state, start, stop, reset, restore]);
}

function afterEvent(state: TrainingState, event: TrainEvent): TrainingState {
  // Events and the result come by different ports: one that is late says nothing about the next training.
  if (state.kind === "idle") return state;
  switch (event.kind) {
    case "backend":
      return { ...state, backend: event.backend };
    case "embedded":
      return { ...state, embedded: event };
    case "progress": {
      const { task, done, total } = event;
      const isNew = state.progress?.task !== task;
      const since = isNew ? { time: performance.now(), done } : state.progress!.since;
      return { ...state, progress: { task, done, total, since } };
    }
    case "epoch":
      return { ...state, epochs: [...state.epochs, event.epoch] };
    case "scores": {
      const former = state.live.image === event.image ? state.live.scores : {};
      const scores = { ...former, [event.attribute]: [...event.scores] };
      return { ...state, live: { image: event.image, scores } };
    }
  }
}

import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { type RemoteLaboratory, trainTowersIn } from "../laboratory/connect.ts";
import type {
  BackendInUse,
  DatasetSummary,
  TowerEvent,
  TowerPoint,
  TowerSettings,
  TowersState,
} from "../laboratory/protocol.ts";
import { canKeepFiles, keepEverything } from "../offline.ts";
import { problemOf } from "./problem.ts";

/** What the page knows of the towers of the current data and settings. */
export interface Towers {
  readonly settings: TowerSettings;
  /** Undefined while it is asked for. */
  readonly known: TowersState | undefined;
  /** All that are trained, those of a training under way too. */
  readonly points: readonly TowerPoint[];
  readonly isRunning: boolean;
  readonly backend: BackendInUse | undefined;
  readonly progress: Extract<TowerEvent, { kind: "progress" }> | undefined;
  /** The last training was stopped. */
  readonly wasStopped: boolean;
  readonly problem: string;
  change(part: Partial<TowerSettings>): void;
  start(): void;
  stop(): void;
}

/** What a training under way, or the last one, has told. */
interface Run {
  readonly kind: "running" | "stopped" | "complete" | "failed";
  readonly points: readonly TowerPoint[];
  readonly backend?: BackendInUse | undefined;
  readonly progress?: Extract<TowerEvent, { kind: "progress" }> | undefined;
  readonly problem?: string | undefined;
}

/** The worker's answer, with what it was asked about: it is shown for that alone. */
interface Answer {
  readonly dataset: DatasetSummary;
  readonly steps: number;
  readonly state: TowersState;
}

const initialSettings: TowerSettings = { backend: "auto", steps: 50 };

export function useTowers(laboratory: RemoteLaboratory, dataset: DatasetSummary | undefined): Towers {
  const [settings, setSettings] = useState(initialSettings);
  const [answer, setAnswer] = useState<Answer>();
  const [run, setRun] = useState<Run>();
  const isRunning = run?.kind === "running";
  const isStopping = useRef(false);
  const { steps } = settings;

  useEffect(() => {
    if (!dataset || isRunning) return;
    let current = true;
    setRun((last) => (answer?.dataset === dataset && answer.steps === steps ? last : undefined));
    laboratory.towers(settings).then(
      (state) => current && setAnswer({ dataset, steps, state }),
      () => undefined, // there is no dataset yet
    );
    return () => {
      current = false;
    };
  }, [laboratory, dataset, steps, isRunning]);

  const known = answer?.dataset === dataset && answer?.steps === steps ? answer?.state : undefined;

  const start = useCallback(() => {
    if (!dataset || !known || isRunning) return;
    isStopping.current = false;
    const isMissing = known.points.length < known.towers;
    setRun({ kind: "running", points: isMissing ? known.points : [] });
    trainTowersIn(laboratory, settings, (event) => setRun((last) => last && afterEvent(last, event))).then(
      (state) => {
        setAnswer({ dataset, steps, state });
        setRun((last) => last && { ...last, kind: isStopping.current ? "stopped" : "complete", progress: undefined });
        // Its files were loaded anyway: keep all there are, for the next time without a network.
        if (canKeepFiles()) keepEverything().catch(() => undefined);
      },
      (error) => setRun({ kind: "failed", points: [], problem: problemOf(error) }),
    );
  }, [laboratory, dataset, known, settings, isRunning]);

  const stop = useCallback(() => {
    isStopping.current = true;
    laboratory.stop();
  }, [laboratory]);
  const change = useCallback((part: Partial<TowerSettings>) => setSettings((last) => ({ ...last, ...part })), []);

  return useMemo(
    () => ({
      settings,
      known,
      isRunning,
      change,
      start,
      stop,
      points: (isRunning ? run?.points : known?.points) ?? [],
      backend: run?.backend,
      progress: isRunning ? run?.progress : undefined,
      wasStopped: run?.kind === "stopped",
      problem: run?.problem ?? "",
    }),
    [settings, known, isRunning, run, change, start, stop],
  );
}

function afterEvent(run: Run, event: TowerEvent): Run {
  // Events and the end come by different ports: one that is late says nothing new.
  if (run.kind !== "running") return run;
  switch (event.kind) {
    case "backend":
      return { ...run, backend: event.backend };
    case "progress":
      return { ...run, progress: event };
    case "tower":
      return { ...run, points: [...run.points, event.point] };
  }
}

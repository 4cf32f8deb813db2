// The towers of a comparison, one after the other. The worker imports this module when the first one is trained.
import { chooseBackend } from "./backend.ts";
import type { Dataset } from "./dataset.ts";
import { whileDeviceLasts } from "./device.ts";
import type { TowerEvent, TowerFiles, TowerPairs, TowerPoint, TowerSettings } from "./protocol.ts";
import { judgeTower, mapTrainingImages, type Running, towerFiles, trainTower } from "./tower.ts";

/** Data that towers are trained on, and held-out regions that they are judged by. */
export interface TowerData {
  /** Pairs of an image that were asked for; undefined for data from files. */
  readonly target?: number | undefined;
  /** Made when it is needed. */
  readonly dataset: () => Dataset;
  readonly judge: { readonly dataset: Dataset; readonly split: string };
}

export interface TrainTowersOptions {
  readonly settings: TowerSettings;
  readonly seed: number;
  /** Towers that are trained already. */
  readonly known: readonly TowerPoint[];
  readonly listen: (event: TowerEvent) => void;
  /** Hears of every tower with its files; training goes on when it is done. */
  readonly finished: (point: TowerPoint, files: TowerFiles) => Promise<void>;
  readonly signal: AbortSignal;
}

export const towerKinds: readonly TowerPairs[] = ["image", "mapping"];

/** Shares of the time that one set of data takes, measured on wasm: mapping, then training and judging a tower. */
const shares = { map: 0.13, train: 0.42, judge: 0.015 } as const;

/**
 * Maps each set of data and trains and judges both towers on it.
 *
 * @throws VillaError `BackendUnavailable`, `Aborted`, and as the packages do; towers that were finished stay
 */
export async function trainTowers(data: readonly TowerData[], options: TrainTowersOptions): Promise<void> {
  const { settings, seed, known, listen, finished } = options;
  const { backend, lost } = await chooseBackend(settings.backend);
  listen({ kind: "backend", backend });
  const missing = data.map((each) => ({
    ...each,
    kinds: towerKinds.filter((pairs) => !known.some((point) => point.pairs === pairs && point.target === each.target)),
  }));
  const work = missing.reduce((sum, { kinds }) => sum + workOf(kinds.length), 0);
  const clock = new Clock(work, listen);
  await whileDeviceLasts(lost, options.signal, async (signal) => {
    for (const { target, dataset: make, judge, kinds } of missing) {
      if (kinds.length === 0) continue;
      const dataset = make();
      const complexity = averageComplexity(dataset);
      const about = complexity === undefined ? "" : `, ${complexity.toFixed(1)} pairs an image`;
      const running = (task: string, share: number): Running => ({ signal, ...clock.task(`${task}${about}`, share) });
      const mapped = await mapTrainingImages(dataset, { seed, ...running("mapping regions", shares.map) });
      for (const pairs of kinds) {
        const started = performance.now();
        const name = pairs === "image" ? "whole images" : "mapped regions";
        const training = running(`training on ${name}`, shares.train);
        const trained = await trainTower(dataset, mapped, { pairs, steps: settings.steps, seed, ...training });
        try {
          const metrics = await judgeTower(trained.tower, judge, running(`judging the tower of ${name}`, shares.judge));
          const point: TowerPoint = {
            pairs,
            target,
            complexity,
            images: mapped.images.length,
            regionToText: metrics.regionToText.rPrecision,
            textToRegion: metrics.textToRegion.rPrecision,
            seconds: (performance.now() - started) / 1000,
          };
          await finished(point, await towerFiles(trained));
          listen({ kind: "tower", point });
        } finally {
          trained.tower.dispose();
        }
      }
    }
  });
}

const workOf = (towers: number): number => (towers === 0 ? 0 : shares.map + towers * (shares.train + shares.judge));

/** (region, attribute) pairs of a training image, where the truth is known. */
function averageComplexity({ rows }: Dataset): number | undefined {
  const train = rows.filter(({ split }) => split === "train");
  if (train.length === 0 || train.some(({ regToAttr }) => !regToAttr)) return undefined;
  return train.reduce((sum, { regToAttr }) => sum + regToAttr!.flat().length, 0) / train.length;
}

/** Tells how far the work is and, once there is something to tell it from, how long the rest will take. */
class Clock {
  readonly #started = performance.now();
  readonly #work: number;
  readonly #listen: (event: TowerEvent) => void;
  #done = 0;
  #last = 0;

  constructor(work: number, listen: (event: TowerEvent) => void) {
    this.#work = work;
    this.#listen = listen;
  }

  /** The next task. @param work its part of all the work */
  task(name: string, work: number): Pick<Running, "onShare"> {
    const before = this.#done;
    this.#done += work;
    this.#tell(name, before);
    return { onShare: (share) => this.#tell(name, before + share * work, share < 1) };
  }

  #tell(task: string, done: number, mayWait = false): void {
    const now = performance.now();
    // The page shows no more than a few changes a second.
    if (mayWait && now - this.#last < 200) return;
    this.#last = now;
    const share = done / this.#work;
    const elapsed = (now - this.#started) / 1000;
    // The first seconds load and compile, and say little of the rest.
    const secondsLeft = elapsed > 3 && share > 0.04 ? (elapsed * (1 - share)) / share : undefined;
    this.#listen({ kind: "progress", task, share, secondsLeft });
  }
}

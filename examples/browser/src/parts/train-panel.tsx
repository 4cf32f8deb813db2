import { useState } from "preact/hooks";
import { backendNames, type DatasetSummary, type TrainSettings } from "../laboratory/protocol.ts";
import { BackendNote } from "./backend-note.tsx";
import { Chart } from "./chart.tsx";
import { Button, Select, Slider } from "./fields.tsx";
import { Fold } from "./fold.tsx";
import { duration, percent } from "./numbers.ts";
import { Panel } from "./panel.tsx";
import { type PictureStore, usePictures } from "./pictures.ts";
import { ScoredPicture } from "./scored-picture.tsx";
import type { Progress, Training, TrainingState } from "./use-training.ts";

const defaultTraining: TrainSettings = {
  backend: "auto",
  dimension: 128,
  epochs: 6,
  batchSize: 32,
  learningRate: 1e-3,
  seed: 23,
};
const dimensions = [32, 64, 128, 256, 512] as const;
const batchSizes = [8, 16, 32, 48, 64] as const;
const learningRates = [1e-4, 3e-4, 1e-3, 3e-3] as const;

interface TrainPanelProps {
  readonly training: Training;
  readonly dataset: DatasetSummary | undefined;
  /** Another dataset is being made or opened. */
  readonly busy: boolean;
  readonly pictures: PictureStore;
  readonly image: number;
  readonly epsilon: number;
}

export function TrainPanel({ training, dataset, busy, pictures, image, epsilon }: TrainPanelProps) {
  const [settings, setSettings] = useState(defaultTraining);
  const { state } = training;
  const running = state.kind === "running";
  const set = (part: Partial<TrainSettings>): void => setSettings({ ...settings, ...part });
  const disabled = running;
  return (
    <Panel
      id="train"
      title="Train the mapping model"
      controls={
        <form
          onSubmit={(event) => {
            event.preventDefault();
            training.start(settings);
          }}
        >
          <Fold title="Settings of the training">
            <Select
              label="Compute on"
              {...{ value: settings.backend, options: backendNames, disabled }}
              change={(backend) => set({ backend })}
            />
            <Slider
              label="Epochs"
              {...{ value: settings.epochs, min: 1, max: 40, step: 1, disabled }}
              change={(epochs) => set({ epochs })}
            />
            <details>
              <summary>More settings</summary>
              <Select
                label="Embedding length"
                {...{ value: settings.dimension, options: dimensions, disabled }}
                change={(dimension) => set({ dimension })}
              />
              <Select
                label="Images a batch"
                {...{ value: settings.batchSize, options: batchSizes, disabled }}
                change={(batchSize) => set({ batchSize })}
              />
              <Select
                label="Learning rate"
                {...{ value: settings.learningRate, options: learningRates, disabled }}
                change={(learningRate) => set({ learningRate })}
              />
            </details>
          </Fold>
          <div class="buttons">
            <Button type="submit" class="primary" disabled={running || busy || !dataset}>
              Train
            </Button>
            <Button disabled={!running} onClick={training.stop}>
              Stop
            </Button>
          </div>
          <TrainingProgress {...{ state }} />
        </form>
      }
    >
      <div class="two">
        {state.epochs.length === 0 ? (
          <Explanation />
        ) : (
          <div>
            <Chart kind="loss" label={lossInWords(state)} epochs={state.epochs} />
            {overfitSince(state) !== undefined && (
              <p class="soft" role="status" data-test="overfit">
                The loss on val rises since epoch {overfitSince(state)}: from there on the model learns the train images
                by heart. Fewer epochs, or a larger budget, help.
              </p>
            )}
            <Figures epochs={state.epochs} />
          </div>
        )}
        <LivePicture {...{ state, pictures, image, epsilon }} />
      </div>
    </Panel>
  );
}

/** What stands where the chart will be. */
function Explanation() {
  return (
    <div class="prose">
      <Fold title="What the model learns">
        <p>
          The <dfn>mapping model</dfn> gives regions their sentences. First, every region is turned into a list of
          numbers, its <dfn>embedding</dfn>. Then the model, one network for each attribute, goes through the train
          images several times; each time is an <dfn>epoch</dfn>.
        </p>
        <p>
          What it is taught: in an image whose sentences name an attribute, one region must score higher than all
          regions of images whose sentences do not. The <dfn>loss</dfn> says how far it is from that. A chart will show
          here how it falls, for train and for val.
        </p>
      </Fold>
    </div>
  );
}

/** The chart's numbers. */
function Figures({ epochs }: Pick<TrainingState, "epochs">) {
  const columns = ["loss", "val loss", "precision", "recall", "F1"];
  return (
    <details class="soft">
      <summary>Figures of every epoch</summary>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable with the keyboard */}
      <section class="scroll" tabIndex={0} aria-label="Figures of every epoch">
        <table data-test="epochs">
          <thead>
            <tr>
              <th scope="col">epoch</th>
              {columns.map((name) => (
                <th key={name} scope="col">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {epochs.map(({ epoch, loss, validation }) => (
              <tr key={epoch}>
                <th scope="row">{epoch}</th>
                {[loss, validation?.loss, validation?.precision, validation?.recall, validation?.f1].map((value, i) => (
                  <td key={columns[i]}>
                    {value !== undefined && <data value={value}>{i < 2 ? value.toFixed(4) : percent(value)}</data>}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </details>
  );
}

function TrainingProgress({ state }: { readonly state: TrainingState }) {
  const { kind, progress, backend, embedded, problem, epochs, result } = state;
  return (
    <div class="progress">
      {kind === "running" && (
        <>
          <progress
            aria-label="Training"
            max={1}
            value={progress && progress.total > 0 ? progress.done / progress.total : undefined}
          />
          <p class="soft">
            {progress ? `${progress.task}${timeLeft(progress)}` : "loading TensorFlow.js"}
            {epochs.length > 0 && `, epoch ${epochs.length} done`}
          </p>
        </>
      )}
      <p role="status" data-test="training" data-state={kind} data-seconds={result?.seconds}>
        {announce(state)}
      </p>
      {problem && (
        <p role="alert" class="problem">
          {problem}
        </p>
      )}
      {embedded && (
        <p class="soft" data-test="embedded">
          {embedded.regions.toLocaleString("en")} regions embedded as {embedded.dimension} numbers each, in{" "}
          {embedded.seconds.toFixed(1)} s
        </p>
      )}
      {backend && <BackendNote backend={backend} seconds={result?.seconds} />}
    </div>
  );
}

/** Of a task that takes a while, how much longer. */
function timeLeft({ done, total, since }: Progress): string {
  const seconds = (performance.now() - since.time) / 1000;
  const left = (seconds * (total - done)) / (done - since.done);
  return seconds > 3 && left > 1 && Number.isFinite(left) ? `, about ${duration(left)} left` : "";
}

/** Said aloud by screen readers: few changes only. */
function announce({ kind, result, backend, notice = "" }: TrainingState): string {
  if (kind === "running") return backend ? `Training on ${backend.name}.` : "Starting.";
  if (!result) return notice;
  if (kind === "idle") return "A model that comes with the page is at work. Train your own on these data.";
  const how = result.complete ? "Trained" : "Stopped after";
  const f1 = result.history.at(-1)?.validation?.f1;
  return `${how} ${result.history.length} epoch${result.history.length === 1 ? "" : "s"} in ${result.seconds.toFixed(1)} s${f1 === undefined ? "" : `: F1\u00a0${percent(f1)}`}.`;
}

/** The epoch of the lowest validation loss, where the loss has risen for two epochs since, and F1 has not gained. */
function overfitSince({ epochs }: TrainingState): number | undefined {
  const losses = epochs.flatMap(({ validation }) => (validation ? [validation.loss] : []));
  const best = losses.indexOf(Math.min(...losses));
  if (losses.length !== epochs.length || best < 0 || best >= losses.length - 2) return undefined;
  const [then, now] = [epochs[best]!.validation?.f1, epochs.at(-1)!.validation?.f1];
  return then !== undefined && now !== undefined && now > then ? undefined : epochs[best]!.epoch;
}

function lossInWords({ epochs }: TrainingState): string {
  const [first, last] = [epochs[0], epochs.at(-1)];
  return first && last
    ? `Loss over ${epochs.length} epochs: from ${first.loss.toFixed(2)} to ${last.loss.toFixed(2)}`
    : "";
}

/** The selected image while the heads learn to score its regions. */
function LivePicture({
  state,
  pictures,
  image,
  epsilon,
}: Pick<TrainPanelProps, "pictures" | "image" | "epsilon"> & { readonly state: TrainingState }) {
  const [picture] = usePictures(pictures, [image]);
  const scores = state.live.image === image ? state.live.scores : {};
  if (!picture) return null;
  return (
    <ScoredPicture
      {...{ picture, scores, epsilon }}
      empty="While the model learns, the regions that it takes for the chosen attribute light up."
    />
  );
}

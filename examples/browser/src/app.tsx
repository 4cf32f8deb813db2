import { useCallback, useEffect, useMemo, useRef, useState } from "preact/hooks";
import { importIn, startLaboratory } from "./laboratory/connect.ts";
import type { DatasetSettings, DatasetSummary, InputFile, ReadingProgress, Recalled } from "./laboratory/protocol.ts";
import { registerServiceWorker } from "./offline.ts";
import { addressOf, settingsFromAddress } from "./parts/address.ts";
import { AskPanel } from "./parts/ask-panel.tsx";
import { DatasetPanel } from "./parts/dataset-panel.tsx";
import { EncoderPanel } from "./parts/encoder-panel.tsx";
import { FilesPanel } from "./parts/files-panel.tsx";
import { MapPanel, usualEpsilon } from "./parts/map-panel.tsx";
import { PictureStore } from "./parts/pictures.ts";
import { problemOf } from "./parts/problem.ts";
import { Story } from "./parts/story.tsx";
import { paper, TowersPanel } from "./parts/towers-panel.tsx";
import { TrainPanel } from "./parts/train-panel.tsx";
import { useEncoder } from "./parts/use-encoder.ts";
import { useModelInUse } from "./parts/use-model-in-use.ts";
import { useTowers } from "./parts/use-towers.ts";
import { useTraining } from "./parts/use-training.ts";

export const defaultDataset: DatasetSettings = {
  seed: 23,
  attributeBudget: 6000,
  valAttributeBudget: 1000,
  targetSampleComplexity: 12,
  colors: ["red", "yellow", "green", "blue", "purple"],
  shapes: ["circle", "rectangle", "none"],
};

export function App() {
  const [settings, setSettings] = useState(() => settingsFromAddress(location.search, defaultDataset));
  const [dataset, setDataset] = useState<DatasetSummary>();
  const [generated, setGenerated] = useState<DatasetSettings>();
  const [problem, setProblem] = useState("");
  const [laboratory] = useState(() => startLaboratory(setProblem));
  const [busy, setBusy] = useState(true);
  const [reading, setReading] = useState<ReadingProgress>();
  const [image, setImage] = useState(0);
  const training = useTraining(laboratory);
  // As in the story, the best ε of the model at work, until the visitor chooses another.
  const [chosenEpsilon, setEpsilon] = useState<number>();
  const epsilon = chosenEpsilon ?? usualEpsilon(training.state.result);
  const encoder = useEncoder(laboratory);
  const towers = useTowers(laboratory, dataset);
  // A new dataset numbers its images anew.
  const pictures = useMemo(() => new PictureStore(laboratory, setProblem), [dataset, laboratory]);

  const isUsed = useModelInUse();
  const [shippedFits, setShippedFits] = useState(true);
  useEffect(() => {
    if (!isUsed || busy || towers.isRunning || training.state.kind !== "idle" || training.state.result || !dataset) {
      return;
    }
    // Sliders make many datasets, of which the last one counts.
    const timer = setTimeout(() => {
      laboratory.useShippedModel().then(
        (result) => (result ? training.restore(result, "shipped") : setShippedFits(false)),
        () => setShippedFits(false), // without a network: a model can be trained all the same
      );
    }, 300);
    return () => clearTimeout(timer);
  }, [isUsed, busy, dataset, towers.isRunning, training.state.kind, training.state.result]);
  useEffect(() => setShippedFits(true), [dataset]);
  const [canUndo, setCanUndo] = useState(false);
  useEffect(() => void laboratory.canUndo().then(setCanUndo), [laboratory, dataset, training.state.kind]);

  const select = useCallback(
    (chosen: number) => {
      setImage(chosen);
      laboratory.watch(chosen);
    },
    [laboratory],
  );

  // A click on the button may come before the page has been drawn with a number just typed.
  const newest = useRef(settings);
  const setSettingsAndAddress = useCallback((changed: DatasetSettings) => {
    newest.current = changed;
    setSettings(changed);
    const address = `${location.pathname}${addressOf(changed, defaultDataset)}${location.hash}`;
    history.replaceState(history.state, "", address);
  }, []);

  /** Makes a new dataset the current one, or shows what went wrong. */
  const open = useCallback(
    async (make: () => Promise<Recalled>) => {
      setProblem("");
      try {
        const { dataset: summary, generated: made, result } = await make();
        training.reset();
        if (result) training.restore(result, "kept");
        setDataset(summary);
        setGenerated(made);
        if (made) setSettingsAndAddress(made);
        select(summary.telling);
      } catch (error) {
        setProblem(problemOf(error));
      }
    },
    [select, training.reset, training.restore],
  );
  const openNext = useLatest(open, setBusy);
  const generate = useCallback(
    (wanted: DatasetSettings) =>
      openNext(async () => ({ dataset: await laboratory.generate(wanted), generated: wanted })),
    [laboratory, openNext],
  );

  const importNext = (files: readonly InputFile[]): void =>
    openNext(async () => {
      try {
        return { dataset: await importIn(laboratory, files, setReading) };
      } finally {
        setReading(undefined);
      }
    });

  useEffect(() => {
    const wanted = newest.current;
    openNext(
      async () =>
        (await laboratory.recall(wanted)) ?? { dataset: await laboratory.generate(wanted), generated: wanted },
    );
  }, [laboratory, openNext]);
  useEffect(() => void registerServiceWorker(laboratory), [laboratory]);

  const change = (part: Partial<DatasetSettings>): void => {
    const changed = { ...newest.current, ...part };
    setSettingsAndAddress(changed);
    // A trained model is not thrown away by a slider: the button does it.
    if (training.state.kind === "idle" && generated) generate(changed);
  };

  return (
    <>
      <header>
        <p class="eyebrow">
          <a href={paper}>ViLLA</a> · ICCV 2023
        </p>
        <h1>DocMNIST laboratory</h1>
        <p class="lead">
          Scans come with reports, photographs with captions, and nobody says which sentence is about which part of the
          image. <dfn>ViLLA</dfn> finds out by itself. Watch it work on <dfn>DocMNIST</dfn>: images of digits, with
          sentences about them. Everything runs in this page; nothing leaves it.
        </p>
        <nav aria-label="Sections">
          {["story", "generate", "train", "map", "ask", "compare", "encoder", "files"].map((name) => (
            <a key={name} href={`#${name}`}>
              {name}
            </a>
          ))}
        </nav>
      </header>
      <main>
        <div class="problem" role="alert">
          {problem && (
            <>
              {problem}
              <button type="button" aria-label="Dismiss this message" onClick={() => setProblem("")}>
                ×
              </button>
            </>
          )}
        </div>
        <Story {...{ laboratory, training, shippedFits, dataset, pictures, image, select }} />
        <DatasetPanel
          {...{ settings, dataset, busy, generated, pictures, image, select, change }}
          locked={training.state.kind === "running" || towers.isRunning}
          generate={() => generate(newest.current)}
          undo={canUndo ? () => openNext(() => laboratory.undo()) : undefined}
        />
        <TrainPanel {...{ training, dataset, pictures, image, epsilon }} busy={busy || towers.isRunning} />
        <MapPanel {...{ laboratory, training, shippedFits, dataset, pictures, image, select, epsilon, setEpsilon }} />
        <AskPanel {...{ laboratory, training, dataset, pictures, select }} />
        <TowersPanel
          {...{ laboratory, towers, training, pictures, image, epsilon, setProblem }}
          busy={busy || training.state.kind === "running"}
        />
        <EncoderPanel encoder={encoder} running={training.state.kind === "running" || towers.isRunning} />
        <FilesPanel
          {...{ laboratory, training, dataset, epsilon, setProblem }}
          towersRunning={towers.isRunning}
          takeEncoder={encoder.take}
          reading={reading}
          open={importNext}
          added={(summary) => {
            setDataset(summary);
            select(summary.splits.at(-1)!.images.at(-1)!);
          }}
        />
      </main>
      <footer>
        <p>
          The digits are drawn by a program, so that no download is needed. Embeddings are a fixed random projection of
          pixels, a stand-in for CLIP that needs no weights, unless you bring an encoder: the mapping model learns all
          it knows from the sentences.
        </p>
      </footer>
    </>
  );
}

/** Calls `run` for the newest argument only: while one call is under way, later ones replace each other. */
function useLatest<T>(run: (argument: T) => Promise<void>, setBusy: (busy: boolean) => void): (argument: T) => void {
  const state = useRef<{ running: boolean; next?: { argument: T } | undefined }>({ running: false });
  const current = useRef(run);
  current.current = run;
  return useCallback(
    (argument: T) => {
      const own = state.current;
      own.next = { argument };
      if (own.running) return;
      own.running = true;
      setBusy(true);
      void (async () => {
        while (own.next) {
          const { next } = own;
          own.next = undefined;
          await current.current(next.argument);
        }
        own.running = false;
        setBusy(false);
      })();
    },
    [setBusy],
  );
}

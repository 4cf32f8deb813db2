import { useEffect, useRef, useState } from "preact/hooks";
import { Drawing } from "../story/drawing.tsx";
import { storySentences, tellingSentence } from "../story/sentences.ts";
import { type StepKind, StepText, stepKinds, stepTitles } from "../story/steps.tsx";
import { type MapPanelProps, Neighbours, useMapping, usualEpsilon } from "./map-panel.tsx";
import { usePictures } from "./pictures.ts";
import { askForModel } from "./use-model-in-use.ts";

/** Steps that show what a model has learned. */
const needsModel: ReadonlySet<StepKind> = new Set(["scores", "band", "mapped"]);
/** Time to look at a step, and to read a word of it, in ms. */
const [lookTime, wordTime] = [2500, 220];

/** The method on one picture, in steps that a reader plays, pauses and scrubs. */
export function Story({
  laboratory,
  training,
  shippedFits,
  dataset,
  pictures,
  image,
  select,
}: Omit<MapPanelProps, "epsilon" | "setEpsilon">) {
  const [step, setStep] = useState(0);
  const [isPlaying, setPlaying] = useState(false);
  const text = useRef<HTMLDivElement>(null);
  const [picture] = usePictures(pictures, [image]);
  // The story shows the method at its best, wherever the slider of the section below stands.
  const { result } = training.state;
  const epsilon = usualEpsilon(result);
  const mapping = useMapping({ laboratory, training, image, epsilon });
  const kind = stepKinds[step]!;
  const last = stepKinds.length - 1;
  const go = (to: number): void => {
    askForModel();
    setStep(Math.min(last, Math.max(0, to)));
  };
  useEffect(() => {
    if (!isPlaying) return;
    if (step === last) {
      setPlaying(false);
      return;
    }
    const words = text.current?.textContent?.split(/\s+/).length ?? 0;
    const timer = setTimeout(() => setStep(step + 1), lookTime + wordTime * words);
    return () => clearTimeout(timer);
    // A step's text grows when the model is there.
  }, [isPlaying, step, result]);
  if (!picture) return <section id="story" class="story" aria-label="The method in six steps" />;

  const sentences = storySentences(picture);
  const chosen = tellingSentence(sentences, picture);
  return (
    <section id="story" class="story" aria-labelledby="story-title">
      <div class="story-words">
        <p class="eyebrow">
          How it works · {step + 1} of {stepKinds.length}
        </p>
        <div ref={text} aria-live={isPlaying ? "off" : "polite"} data-test="story-step" data-step={kind}>
          <h2 id="story-title">{stepTitles[kind]}</h2>
          <p>
            <StepText {...{ kind, picture, epsilon }} attribute={sentences[chosen]?.attribute ?? ""} {...{ result }} />
            {needsModel.has(kind) && !result && !shippedFits && (
              <b> No model knows these data yet: train one below to see it.</b>
            )}
          </p>
        </div>
        <div class="story-controls">
          <button
            type="button"
            class="primary"
            onClick={() => {
              go(step === last ? 0 : step);
              setPlaying(!isPlaying);
            }}
          >
            {isPlaying ? "Pause" : step === last ? "Play again" : "Play"}
          </button>
          <button type="button" aria-label="Step back" disabled={step === 0} onClick={() => go(step - 1)}>
            ‹
          </button>
          <button type="button" aria-label="Step on" disabled={step === last} onClick={() => go(step + 1)}>
            ›
          </button>
          <input
            type="range"
            aria-label="Step of the story"
            aria-valuetext={stepTitles[kind]}
            {...{ min: 0, max: last, step: 1, value: step }}
            onInput={({ currentTarget }) => {
              setPlaying(false);
              go(currentTarget.valueAsNumber);
            }}
          />
        </div>
        <Neighbours {...{ dataset, image, select }} />
      </div>
      <Drawing {...{ kind, picture, sentences, chosen, mapping, epsilon }} />
    </section>
  );
}

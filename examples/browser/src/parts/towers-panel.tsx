import { useEffect, useRef } from "preact/hooks";
import type { RemoteLaboratory } from "../laboratory/connect.ts";
import { backendNames, type TowerFileKind, type TowerPoint } from "../laboratory/protocol.ts";
import { BackendNote } from "./backend-note.tsx";
import { Chart } from "./chart.tsx";
import { Button, Select, Slider } from "./fields.tsx";
import { offerDownload } from "./files-panel.tsx";
import { Fold } from "./fold.tsx";
import { percent } from "./numbers.ts";
import { Panel } from "./panel.tsx";
import type { PictureStore } from "./pictures.ts";
import { problemOf } from "./problem.ts";
import { TowerInputs } from "./tower-inputs.tsx";
import type { Towers } from "./use-towers.ts";
import type { Training } from "./use-training.ts";

/** Varma et al., ICCV 2023. */
export const paper = "https://arxiv.org/abs/2308.11194";

interface TowersPanelProps {
  readonly laboratory: RemoteLaboratory;
  readonly towers: Towers;
  /** Something else is under way that towers have to wait for. */
  readonly busy: boolean;
  readonly training: Training;
  readonly pictures: PictureStore;
  readonly image: number;
  readonly epsilon: number;
  readonly setProblem: (problem: string) => void;
}

/** Both towers of one complexity, as far as they are trained. */
interface Pair {
  readonly complexity: number | undefined;
  readonly image?: TowerPoint | undefined;
  readonly mapping?: TowerPoint | undefined;
}

/** Stage 2: what a vision-language model learns from whole images, and from mapped regions. */
export function TowersPanel(props: TowersPanelProps) {
  const { laboratory, towers, busy, setProblem } = props;
  const { settings, known, points, isRunning, change, start, stop } = towers;
  const refusal = known?.refusal;
  const train = useRef<HTMLDivElement>(null);
  const held = useRef(false);
  // "Stop" goes when there is nothing to stop: the keyboard's focus moves on to what starts the next training.
  useEffect(() => {
    if (!isRunning && held.current) train.current?.querySelector("button")?.focus();
    held.current = false;
  }, [isRunning]);
  const save = async (kind: TowerFileKind): Promise<void> => {
    try {
      offerDownload(await laboratory.exportTower(settings, kind));
    } catch (error) {
      setProblem(problemOf(error));
    }
  };
  const last = known?.points.at(-1);
  return (
    <Panel
      id="compare"
      title="What regions are good for"
      controls={
        <form
          onSubmit={(event) => {
            event.preventDefault();
            start();
          }}
        >
          <Fold title="Settings of the towers">
            <Select
              label="Run on"
              {...{ value: settings.backend, options: backendNames, disabled: isRunning }}
              change={(backend) => change({ backend })}
            />
            <Slider
              label="Length of each training"
              hint="in steps; in each, a tower sees 32 images or regions with their words: more steps make better towers, and take longer"
              {...{ value: settings.steps, min: 10, max: 300, step: 10, disabled: isRunning }}
              change={(steps) => change({ steps })}
            />
          </Fold>
          <div class="buttons" ref={train}>
            <Button type="submit" class="primary" disabled={isRunning || busy || !known || refusal !== undefined}>
              {startLabel(towers)}
            </Button>
            {isRunning && (
              <button
                type="button"
                onClick={() => {
                  held.current = true;
                  stop();
                }}
              >
                Stop
              </button>
            )}
          </div>
          <Progress {...{ towers }} />
          {last && !isRunning && (
            <>
              <h3>Take the last tower</h3>
              <p class="soft">
                {nameOf(last)}
                {last.complexity !== undefined && `, ${pairsEach(last.complexity)}`}
              </p>
              <p class="soft">
                The ONNX file takes regions cut out and scaled to 32 × 32 pixels; <code>villa evaluate</code> opens the
                checkpoint.
              </p>
              <div class="buttons column">
                <button type="button" onClick={() => save("onnx")}>
                  Tower (.onnx)
                </button>
                <button type="button" onClick={() => save("checkpoint")}>
                  Checkpoint (.safetensors)
                </button>
              </div>
            </>
          )}
        </form>
      }
    >
      <Explanation isGenerated={known?.generated ?? true} judgedOn={known?.judgedOn ?? "val"} />
      <TowerInputs {...props} />
      {refusal !== undefined && <p data-test="towers-refusal">{refusal}</p>}
      {points.length > 0 && (
        <>
          <p class="finding" data-test="finding">
            {finding(points)}
          </p>
          <Chart kind="towers" points={points} label={inWords(points)} />
          <Figures points={points} />
        </>
      )}
    </Panel>
  );
}

function Explanation({ isGenerated, judgedOn }: { readonly isGenerated: boolean; readonly judgedOn: string }) {
  return (
    <div class="prose">
      <p>
        Now every region has sentences of its own. Are they worth it? Two small models of images and words, called{" "}
        <dfn>towers</dfn>, start alike and see equally many pairs of an image and a text. One learns from{" "}
        <b class="whole">whole images</b> with all their sentences, as usual; the other from{" "}
        <b class="mapped">mapped regions</b>, each with the sentences that it was given.
      </p>
      <Fold title="How they are judged">
        <p>
          Then both name what is in regions that they have never seen, those of the {judgedOn} split. Of a region with
          two true attributes, a tower’s first two guesses count, of one with four the first four; the share of them
          that is right is its <dfn>R-Precision</dfn>.{" "}
          {isGenerated
            ? "This is done for simple, usual and hard images, of three complexities, with the same number of (region, attribute) pairs in all; a mapping model is trained for each."
            : "Data from files have one complexity, so each tower has one result. Drawn digits, which Generate makes, show what complexity does."}{" "}
          Training a tower is <dfn>Stage 2</dfn> of <a href={paper}>the paper</a>; Stage 1 is the mapping model.
        </p>
      </Fold>
    </div>
  );
}

function startLabel({ known, isRunning, points }: Towers): string {
  if (isRunning || !known || points.length === 0) return "Train towers";
  return points.length < known.towers ? "Train the rest" : "Train them again";
}

function Progress({ towers }: { readonly towers: Towers }) {
  const { isRunning, progress, backend, problem, points, known } = towers;
  const kind = isRunning ? "running" : points.length > 0 && points.length === known?.towers ? "done" : "idle";
  return (
    <div class="progress">
      {isRunning && (
        <>
          <progress aria-label="Training towers" max={1} value={progress?.share} />
          <p class="soft" data-test="towers-progress">
            {progress ? progress.task : "loading what towers need"}
            {progress && ` · ${timeLeft(progress.secondsLeft)}`}
          </p>
        </>
      )}
      <p role="status" data-test="towers" data-state={kind} data-points={points.length}>
        {announce(towers)}
      </p>
      {problem && (
        <p role="alert" class="problem">
          {problem}
        </p>
      )}
      {backend && <BackendNote backend={backend} />}
    </div>
  );
}

/** Said aloud by screen readers: few changes only. */
function announce({ known, points, isRunning, wasStopped }: Towers): string {
  if (!known) return "";
  const { towers, hasOthers } = known;
  const trained = `${points.length} of ${towers} towers trained.`;
  if (isRunning) return trained;
  if (wasStopped) return `Stopped. ${points.length === 0 ? "No tower was finished." : `${trained} They are kept.`}`;
  if (points.length > 0) return points.length < towers ? trained : `All ${towers} towers are trained.`;
  return hasOthers ? "The towers trained last belong to other data or another length; they return with these." : "";
}

/** Measured as it goes, so that it holds on slow machines too. */
function timeLeft(seconds: number | undefined): string {
  if (seconds === undefined) return "measuring the time it takes";
  return seconds < 90
    ? `about ${Math.max(5, 5 * Math.round(seconds / 5))} s left`
    : `about ${Math.round(seconds / 60)} min left`;
}

const nameOf = ({ pairs }: TowerPoint): string => (pairs === "image" ? "Whole images" : "Mapped regions");

/** One for each complexity, from low to high. */
function pairsOf(points: readonly TowerPoint[]): Pair[] {
  const targets = [...new Set(points.map(({ target }) => target))].sort((a = 0, b = 0) => a - b);
  return targets.map((target) => {
    const own = points.filter((point) => point.target === target);
    const of = (pairs: TowerPoint["pairs"]) => own.find((point) => point.pairs === pairs);
    return { complexity: own[0]?.complexity, image: of("image"), mapping: of("mapping") };
  });
}

/** What is seen, in one sentence. */
function finding(points: readonly TowerPoint[]): string {
  const complete = pairsOf(points).filter(({ image, mapping }) => image && mapping);
  const [first, last] = [complete[0], complete.at(-1)];
  if (!first || !last) return "The first tower is trained; what it is worth shows beside the second one.";
  if (first === last) return `${capital(leader(first))}.`;
  const isApart = lead(last) > 0 && lead(last) > lead(first);
  const isSame = lead(first) < 0 === lead(last) < 0;
  const both = `${leader(first)}${isSame ? ` and ${amount(last)}` : `, ${leader(last)}`}`;
  return isApart
    ? `The two grow apart: ${both}.`
    : `Here the two do not grow apart: ${both}. A longer training, or a larger budget, shows more.`;
}

/** Points by which the tower of mapped regions is better. */
const lead = ({ image, mapping }: Pair): number => 100 * (mapping!.regionToText - image!.regionToText);

/** "mapped regions lead by 6.4 points at 3.5 pairs an image" */
const leader = (pair: Pair): string => `${lead(pair) < 0 ? "whole images" : "mapped regions"} lead ${amount(pair)}`;

function amount(pair: Pair): string {
  const place = pair.complexity === undefined ? "" : ` at ${pairsEach(pair.complexity)}`;
  return `by ${Math.abs(lead(pair)).toFixed(1)}\u00a0points${place}`;
}

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1);
const pairsEach = (complexity: number): string => `${complexity.toFixed(1)} pairs an image`;

/** The chart for those who do not see it. */
function inWords(points: readonly TowerPoint[]): string {
  const each = points.map(
    (point) =>
      `${nameOf(point)}${point.complexity === undefined ? "" : ` at ${pairsEach(point.complexity)}`}: ${percent(point.regionToText)}`,
  );
  return `R-Precision of the towers. ${each.join("; ")}.`;
}

/** The chart's numbers, and those of the other direction. */
function Figures({ points }: { readonly points: readonly TowerPoint[] }) {
  return (
    <details class="soft">
      <summary>Figures of every tower</summary>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable with the keyboard */}
      <section class="scroll" tabIndex={0} aria-label="Figures of every tower">
        <table data-test="tower-figures">
          <thead>
            <tr>
              {["learned from", "pairs an image", "images", "region → text", "text → region", "seconds"].map((name) => (
                <th key={name} scope="col">
                  {name}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {points.map((point) => (
              <tr key={`${point.target} ${point.pairs}`}>
                <th scope="row">{nameOf(point)}</th>
                <td>{point.complexity?.toFixed(1) ?? "not known"}</td>
                <td>{point.images.toLocaleString("en")}</td>
                <td>
                  <data value={point.regionToText}>{percent(point.regionToText)}</data>
                </td>
                <td>
                  <data value={point.textToRegion}>{percent(point.textToRegion)}</data>
                </td>
                <td>{point.seconds.toFixed(1)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </section>
    </details>
  );
}

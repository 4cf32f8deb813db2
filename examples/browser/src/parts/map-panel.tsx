import type { EpsilonResult } from "@villa/mapping";
import { useEffect, useState } from "preact/hooks";
import type { RemoteLaboratory } from "../laboratory/connect.ts";
import type { DatasetSummary, ImageMapping, Picture, TrainingResult } from "../laboratory/protocol.ts";
import { Chart } from "./chart.tsx";
import { Button, Slider } from "./fields.tsx";
import { Fold } from "./fold.tsx";
import { percent } from "./numbers.ts";
import { Panel } from "./panel.tsx";
import { type PictureStore, usePictures } from "./pictures.ts";
import { ScoredPicture } from "./scored-picture.tsx";
import type { Training } from "./use-training.ts";

export interface MapPanelProps {
  readonly laboratory: RemoteLaboratory;
  readonly training: Training;
  /** The model that comes with the page knows all attributes of the data, as far as is known. */
  readonly shippedFits: boolean;
  readonly dataset: DatasetSummary | undefined;
  readonly pictures: PictureStore;
  readonly image: number;
  readonly select: (image: number) => void;
  readonly epsilon: number;
  /** undefined: the best one. */
  readonly setEpsilon: (epsilon: number | undefined) => void;
}

export function MapPanel(props: MapPanelProps) {
  const { training, shippedFits, dataset, pictures, image, select, epsilon, setEpsilon } = props;
  const { result } = training.state;
  const [picture] = usePictures(pictures, [image]);
  const mapping = useMapping(props);
  const best = result && bestEpsilon(result);
  const now = result?.sweep.find((each) => each.epsilon === epsilon);
  return (
    <Panel
      id="map"
      title="Map regions"
      controls={
        <>
          <Slider
            label="ε"
            hint="a region gets an attribute when its score is less than ε below the image’s best: a small ε picks one region, a large one shares the sentence among many"
            {...{ value: epsilon, min: 0.01, max: 1, step: 0.01, disabled: !result }}
            format={(value) => value.toFixed(2)}
            change={setEpsilon}
          />
          <dl class="metrics" data-test="metrics">
            {(["precision", "recall", "f1"] as const).map((name) => (
              <div key={name} class={name}>
                <dt>{name === "f1" ? "F1" : name}</dt>
                <dd>{now ? percent(now[name]) : "–"}</dd>
              </div>
            ))}
          </dl>
          <Fold title="What these say">
            <p class="soft">
              <b>Precision</b>: how much of what was given is right. <b>Recall</b>: how much of what is right was given.{" "}
              <b>F1</b> is high when both are. The best ε is the one with the highest F1 on these same images.
            </p>
          </Fold>
          {best !== undefined && (
            <button type="button" disabled={best === epsilon} onClick={() => setEpsilon(undefined)}>
              Use the best ε: {best.toFixed(2)}
            </button>
          )}
          <Neighbours {...{ dataset, image, select }} />
        </>
      }
    >
      {result ? (
        <div class="two">
          <Chart
            kind="sweep"
            sweep={result.sweep}
            baseline={result.baseline}
            epsilon={epsilon}
            label={`Precision, recall and F1 on the ${result.judgedOn} split against ε`}
            empty="The true attributes of this dataset are not known, so there is nothing to judge the mapping by."
          />
          {picture && mapping && <ScoredPicture {...{ picture, epsilon }} scores={mapping.scores} empty="" />}
          {picture && mapping && (
            <Fold title="What each region was given">
              <Assignments {...{ picture, mapping }} />
            </Fold>
          )}
        </div>
      ) : (
        <p class="soft">
          {training.state.kind === "running"
            ? "The model is being trained."
            : shippedFits
              ? "The model that comes with the page is loading."
              : "No model knows these data yet: train one above."}
        </p>
      )}
    </Panel>
  );
}

/** The value of the slider with the highest F1 on the data that judge; undefined where the truth is not known. */
const bestEpsilon = ({ sweep }: TrainingResult): number | undefined =>
  sweep.reduce<EpsilonResult | undefined>((best, each) => (best && best.f1 >= each.f1 ? best : each), undefined)
    ?.epsilon;

/** Where nothing tells a better one. */
const defaultEpsilon = 0.2;

/** The ε at which the method is shown: the best one of a model, where that is known. */
export const usualEpsilon = (result: TrainingResult | undefined): number =>
  (result && bestEpsilon(result)) ?? defaultEpsilon;

/** The mapping of the selected image at ε; the former one stays until the new one is there. */
export function useMapping({
  laboratory,
  training,
  image,
  epsilon,
}: Pick<MapPanelProps, "laboratory" | "training" | "image" | "epsilon">): ImageMapping | undefined {
  const { result } = training.state;
  const [mapping, setMapping] = useState<ImageMapping>();
  useEffect(() => {
    if (!result) {
      setMapping(undefined);
      return;
    }
    let current = true;
    laboratory.mapping(image, epsilon).then(
      (next) => current && setMapping(next),
      () => current && setMapping(undefined),
    );
    return () => {
      current = false;
    };
  }, [laboratory, result, image, epsilon]);
  return mapping?.image === image ? mapping : undefined;
}

export function Neighbours({ dataset, image, select }: Pick<MapPanelProps, "dataset" | "image" | "select">) {
  const images = dataset?.splits.find((each) => each.images.includes(image))?.images ?? [];
  const at = images.indexOf(image);
  const step = (by: number): void => {
    const next = images[at + by];
    if (next !== undefined) select(next);
  };
  return (
    <div class="buttons">
      <Button disabled={at <= 0} onClick={() => step(-1)} aria-label="Previous image">
        ‹ Previous
      </Button>
      <Button disabled={at < 0 || at >= images.length - 1} onClick={() => step(1)}>
        Next image ›
      </Button>
    </div>
  );
}

/** What each region was given: right, wrong, and missed. */
function Assignments({ picture, mapping }: { readonly picture: Picture; readonly mapping: ImageMapping }) {
  return (
    <table class="assignments" data-test="assignments">
      <caption>Attributes assigned to the regions of image {picture.image}</caption>
      <thead>
        <tr>
          <th scope="col">region</th>
          <th scope="col">assigned</th>
          {picture.truth && <th scope="col">missed</th>}
        </tr>
      </thead>
      <tbody>
        {mapping.assigned.map((assigned, region) => {
          const truth = picture.truth?.[region];
          return (
            <tr key={region}>
              <th scope="row">{region + 1}</th>
              <td>
                {assigned.map((name) => (
                  <Verdict key={name} name={name} correct={truth?.includes(name)} />
                ))}
              </td>
              {truth && <td class="soft">{truth.filter((name) => !assigned.includes(name)).join(", ")}</td>}
            </tr>
          );
        })}
      </tbody>
    </table>
  );
}

export function Verdict({ name, correct }: { readonly name: string; readonly correct: boolean | undefined }) {
  if (correct === undefined) return <span class="tag">{name}</span>;
  return (
    <span class={`tag ${correct ? "right" : "wrong"}`}>
      <span aria-hidden="true">{correct ? "✓" : "✗"}</span> {name}
      <span class="unseen">{correct ? " (right)" : " (wrong)"}</span>
    </span>
  );
}

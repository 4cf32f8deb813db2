import { storedSentences } from "@villa/data";
import { useState } from "preact/hooks";
import type { DatasetSettings, DatasetSummary, Picture } from "../laboratory/protocol.ts";
import { Button, Choices, NumberField, RadioChips, Slider } from "./fields.tsx";
import { Fold } from "./fold.tsx";
import { Panel } from "./panel.tsx";
import { describePicture, PictureView } from "./picture-view.tsx";
import { type PictureStore, usePictures } from "./pictures.ts";

interface DatasetPanelProps {
  readonly settings: DatasetSettings;
  readonly dataset: DatasetSummary | undefined;
  /** Being generated. */
  readonly busy: boolean;
  /** The settings that the dataset was made with; undefined where it comes from a file. */
  readonly generated: DatasetSettings | undefined;
  /** While a training runs the dataset stays. */
  readonly locked: boolean;
  readonly pictures: PictureStore;
  readonly image: number;
  readonly select: (image: number) => void;
  readonly change: (part: Partial<DatasetSettings>) => void;
  readonly generate: () => void;
  /** Brings back the data and the model that were replaced last, where there are any. */
  readonly undo: (() => void) | undefined;
}

const colorDots: Readonly<Record<string, string>> = {
  red: "rgb(255 0 0)",
  yellow: "rgb(208 255 0)",
  green: "rgb(0 255 92)",
  blue: "rgb(0 116 255)",
  purple: "rgb(184 0 255)",
};
const shapeNames = ["circle", "rectangle", "triangle", "cross", "none"];
const perPage = 12;

export function DatasetPanel(props: DatasetPanelProps) {
  const { settings, dataset, busy, generated, locked, change, generate, undo } = props;
  return (
    <Panel
      id="generate"
      title="Generate data"
      controls={
        <form
          onSubmit={(event) => {
            event.preventDefault();
            generate();
          }}
        >
          <Fold title="Settings of the data">
            <Slider
              label="Attribute budget, train"
              hint="how many (region, attribute) pairs all images have together: a larger budget makes more images"
              {...{ value: settings.attributeBudget, min: 500, max: 20_000, step: 100, disabled: locked }}
              format={(value) => value.toLocaleString("en")}
              change={(attributeBudget) => change({ attributeBudget })}
            />
            <Slider
              label="Attribute budget, val"
              {...{ value: settings.valAttributeBudget, min: 200, max: 5000, step: 100, disabled: locked }}
              format={(value) => value.toLocaleString("en")}
              change={(valAttributeBudget) => change({ valAttributeBudget })}
            />
            <Slider
              label="Sample complexity"
              hint="how many pairs one image has at most: more make the puzzle harder"
              {...{ value: settings.targetSampleComplexity, min: 4, max: 36, step: 1, disabled: locked }}
              change={(targetSampleComplexity) => change({ targetSampleComplexity })}
            />
            <Choices
              legend="Colours"
              options={Object.keys(colorDots)}
              chosen={settings.colors}
              disabled={locked}
              dot={(color) => colorDots[color]}
              change={(colors) => change({ colors })}
            />
            <Choices
              legend="Shapes"
              options={shapeNames}
              chosen={settings.shapes}
              disabled={locked}
              change={(shapes) => change({ shapes })}
            />
            <NumberField
              label="Seed"
              {...{ value: settings.seed, min: 0, max: 4_294_967_295, disabled: locked }}
              hint="another number draws other images"
              change={(seed) => change({ seed })}
            />
          </Fold>
          <p class="changed" role="status" data-test="changed">
            {dataset && !busy && changedHint(settings, generated)}
          </p>
          <div class="buttons">
            <Button type="submit" class="primary" disabled={locked || busy}>
              Generate
            </Button>
            {undo && (
              <Button disabled={locked || busy} onClick={undo} title="Bring back the data and the model from before">
                Undo
              </Button>
            )}
          </div>
        </form>
      }
    >
      <p role="status" class="figures" data-test="dataset" aria-busy={busy}>
        {dataset
          ? dataset.splits.map(({ split, images, regions, sampleComplexity }) => (
              <span key={split}>
                <b>{images.length.toLocaleString("en")}</b> {split} {images.length === 1 ? "image" : "images"},{" "}
                {regions.toLocaleString("en")} {regions === 1 ? "region" : "regions"}
                {sampleComplexity !== undefined && `, ${sampleComplexity.toFixed(1)} pairs an image`}
              </span>
            ))
          : "Generating…"}
      </p>
      {dataset && dataset.masks > 0 && (
        <p class="soft" data-test="masks">
          {dataset.masks.toLocaleString("en")} {dataset.masks === 1 ? "region has a mask" : "regions have masks"}; this
          page trains on their boxes.
        </p>
      )}
      {dataset && <Gallery {...props} dataset={dataset} />}
      {generated && (
        <details class="soft">
          <summary>The same dataset on the command line</summary>
          {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable with the keyboard */}
          <pre tabIndex={0}>
            <code>{commandFor(generated)}</code>
          </pre>
        </details>
      )}
    </Panel>
  );
}

function Gallery({ dataset, pictures, image, select }: DatasetPanelProps & { readonly dataset: DatasetSummary }) {
  const names = dataset.splits.map(({ split }) => split);
  const [chosen, setChosen] = useState("val");
  const [page, setPage] = useState(0);
  const split = dataset.splits.find(({ split }) => split === chosen) ?? dataset.splits[0];
  const pages = Math.max(1, Math.ceil((split?.images.length ?? 0) / perPage));
  const current = Math.min(page, pages - 1);
  const shown = usePictures(pictures, split?.images.slice(current * perPage, (current + 1) * perPage) ?? []);
  const [selected] = usePictures(pictures, [image]);
  return (
    <>
      <p class="soft">
        The model learns from the images of <dfn>train</dfn>. Those of <dfn>val</dfn>, for validation
        {names.includes("test") && (
          <>
            , and of <dfn>test</dfn>
          </>
        )}
        , are kept out of the training, to judge what it has learned.
      </p>
      <div class="bar">
        <RadioChips legend="Split" options={names} chosen={split?.split ?? ""} change={setChosen} />
        <div class="pager">
          <Button disabled={current === 0} onClick={() => setPage(current - 1)} aria-label="Previous images">
            ‹
          </Button>
          <span>
            {current + 1} / {pages}
          </span>
          <Button disabled={current >= pages - 1} onClick={() => setPage(current + 1)} aria-label="Next images">
            ›
          </Button>
        </div>
      </div>
      <ul class="gallery">
        {shown.map((picture) => (
          <li key={picture.image}>
            <button type="button" aria-pressed={picture.image === image} onClick={() => select(picture.image)}>
              <PictureView picture={picture} label={describePicture(picture)} />
            </button>
          </li>
        ))}
      </ul>
      {selected && (
        <Fold title={`Image ${selected.image} and its sentences`}>
          <Details picture={selected} />
        </Fold>
      )}
    </>
  );
}

/** A picture with its sentences and what is known of its regions. */
function Details({ picture }: { readonly picture: Picture }) {
  const parts = storedSentences(picture);
  return (
    <div class="details" data-test="details">
      <PictureView picture={picture} label={describePicture(picture)} boxes="numbers" />
      <div>
        <h3>
          Image {picture.image}, {picture.split}
        </h3>
        <ul class="sentences">
          {parts.map((sentence) => (
            <li key={sentence}>{sentence}</li>
          ))}
        </ul>
        {picture.truth && (
          <details>
            <summary>What the regions truly are</summary>
            <ol>
              {picture.truth.map((attributes, region) => (
                <li key={region}>{attributes.join(", ")}</li>
              ))}
            </ol>
          </details>
        )}
      </div>
    </div>
  );
}

/** Says that what is shown is not what the controls say. */
function changedHint(settings: DatasetSettings, generated: DatasetSettings | undefined): string {
  if (!generated) return "The data shown come from your files. Generate replaces them by data of these settings.";
  return JSON.stringify(settings) === JSON.stringify(generated)
    ? ""
    : "Settings changed: press Generate to make data with them.";
}

function commandFor({
  seed,
  attributeBudget,
  valAttributeBudget,
  targetSampleComplexity,
  colors,
  shapes,
}: DatasetSettings) {
  return [
    `npx @villa/docmnist --digits glyphs --seed ${seed}`,
    `--attribute-budget ${attributeBudget} --val-attribute-budget ${valAttributeBudget}`,
    `--target-sample-complexity ${targetSampleComplexity}`,
    `--colors ${colors.join()} --shapes ${shapes.join()}`,
  ].join(" \\\n  ");
}

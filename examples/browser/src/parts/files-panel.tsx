import { useState } from "preact/hooks";
import type { RemoteLaboratory } from "../laboratory/connect.ts";
import type { DatasetSummary, InputFile, OutputFile, ReadingProgress } from "../laboratory/protocol.ts";
import { canKeepFiles, keepEverything } from "../offline.ts";
import { FileButton } from "./file-button.tsx";
import { isEncoder, isPicture, pictureTypes } from "./input-files.ts";
import { OwnImageDialog } from "./own-image-dialog.tsx";
import { Panel } from "./panel.tsx";
import { problemOf } from "./problem.ts";
import { useDrop } from "./use-drop.ts";
import type { Training } from "./use-training.ts";

interface FilesPanelProps {
  readonly laboratory: RemoteLaboratory;
  readonly training: Training;
  /** Towers of Stage 2 are being trained. */
  readonly towersRunning: boolean;
  readonly dataset: DatasetSummary | undefined;
  readonly epsilon: number;
  readonly setProblem: (problem: string) => void;
  /** How far a dataset is that is being read, where that takes long. */
  readonly reading: ReadingProgress | undefined;
  /** Opens files as a new dataset. */
  readonly open: (files: readonly InputFile[]) => void;
  /** Takes files for the visitor's encoder. */
  readonly takeEncoder: (files: readonly InputFile[]) => void;
  /** An image was added to the dataset. */
  readonly added: (dataset: DatasetSummary) => void;
}

export function FilesPanel({
  laboratory,
  training,
  towersRunning,
  dataset,
  epsilon,
  setProblem,
  reading,
  open,
  takeEncoder,
  added,
}: FilesPanelProps) {
  const [own, setOwn] = useState<readonly InputFile[]>([]);
  const running = training.state.kind === "running" || towersRunning;
  const { result } = training.state;

  const take = (files: readonly InputFile[]): void => {
    if (files.length === 0) return;
    setProblem("");
    // Pictures alone are the visitor's own; what is neither they nor weights has to be a dataset.
    if (files.every(({ path }) => isPicture(path))) setOwn(files);
    else if (isEncoder(files)) {
      takeEncoder(files);
      document.getElementById("encoder")?.scrollIntoView();
    } else open(files);
  };
  const takePictures = (files: readonly InputFile[]): void => {
    const other = files.find(({ path }) => !isPicture(path));
    if (other) setProblem(`${other.path} is not a picture of a kind that this page reads: ${pictureTypes.join(", ")}.`);
    else take(files);
  };
  const isOver = useDrop((files) => {
    if (running) setProblem("A training is running; stop it before you open other data.");
    else if (own.length === 0) files.then(take, (error: Error) => setProblem(error.message));
  });
  const save = async (file: Promise<OutputFile>): Promise<void> => {
    try {
      offerDownload(await file);
    } catch (error) {
      setProblem(problemOf(error));
    }
  };

  return (
    <>
      <Panel
        id="files"
        title="Bring and take data"
        folded="Your own images, and files to take away"
        isNeeded={reading !== undefined}
        controls={
          <div>
            <h3>Take</h3>
            <div class="buttons column">
              <button type="button" disabled={!dataset} onClick={() => save(laboratory.exportDataset())}>
                Dataset (.zip)
              </button>
              <small>images, boxes and sentences: this page opens it again, the command line once it is unpacked</small>
              {dataset?.splits.map(({ split }) => (
                <button
                  key={split}
                  type="button"
                  disabled={!result}
                  onClick={() => save(laboratory.exportMapping(split, epsilon))}
                >
                  Mapping of {split} (.feather)
                </button>
              ))}
              <small>
                a table of what each region was given: to look at, or to train Stage 2 on; pandas and polars read it too
              </small>
              <button type="button" disabled={!result} onClick={() => save(laboratory.exportModel())}>
                Model (.pkl)
              </button>
              <small>the trained networks, to map other data with: for the command line and PyTorch</small>
            </div>
          </div>
        }
      >
        <fieldset class={isOver && !running ? "drop over" : "drop"}>
          <legend class="unseen">Bring data</legend>
          <p>
            Drop a dataset folder, its ZIP archive, or pictures of your own on this page. A dataset is{" "}
            <code>annotations.feather</code> (a table of its images, boxes and sentences), <code>images/</code> and,
            unless it is DocMNIST, <code>attributes.json</code> (the words to look for).
          </p>
          <details class="soft">
            <summary>A folder of pictures with a table works too</summary>
            <p>
              A <code>.csv</code> with the columns <code>image</code> (the picture’s path, from the table’s folder on)
              and <code>text</code> (what is to be seen, in sentences), and either a column <code>attributes</code> (the
              words that the picture’s regions have, with <code>;</code> between them) or a file{" "}
              <code>attributes.json</code> beside it, a list of words to look for in the texts:{" "}
              <code>["red", "mug"]</code>. <code>boxes</code> are the picture’s regions in pixels, left, top, right and
              bottom of each: <code>[[0, 0, 20, 30]]</code>. Without them, a grid of 3 × 3 is taken. <code>split</code>{" "}
              says train, val or test. The rules are those of <code>villa ingest</code>; nothing leaves this page.
            </p>
          </details>
          <div class="buttons">
            <FileButton label="Open a folder" directory disabled={running} take={take} />
            <FileButton label="Open a .zip" accept=".zip" disabled={running} take={take} />
            <FileButton
              label="Add pictures"
              accept={pictureTypes.map((type) => `.${type}`).join()}
              multiple
              disabled={running || !dataset}
              take={takePictures}
            />
          </div>
        </fieldset>
        {reading && (
          <div class="progress">
            <progress aria-label="Reading pictures" max={reading.total} value={reading.done} />
            <p class="soft" data-test="reading">
              {reading.done} of {reading.total} rows of the table are read, with their pictures.
            </p>
            <button type="button" onClick={() => laboratory.stopReading()}>
              Stop reading
            </button>
          </div>
        )}
        <p class="soft">
          The command line reads what you take: unpack the dataset, put the mappings beside its{" "}
          <code>annotations.feather</code>, then for example{" "}
          <code>villa visualize FOLDER --mapping mapping_val.feather --out mapped.html</code>, or train Stage 2 on{" "}
          <code>pairs=mapping</code>.
        </p>
        <KeepButton />
      </Panel>
      {isOver && <div class="dropping">{running ? "A training is running: stop it first" : "Drop to open"}</div>}
      {own[0] && (
        <OwnImageDialog
          key={own[0].path}
          file={own[0]}
          add={async (image) => {
            added(await laboratory.addImage(image));
            setOwn(own.slice(1));
          }}
          close={() => setOwn(own.slice(1))}
        />
      )}
    </>
  );
}

/** Fetches what is not loaded yet, for use without a network. */
function KeepButton() {
  const [said, say] = useState("");
  if (!canKeepFiles()) return null;
  const keep = async (): Promise<void> => {
    say("Fetching…");
    try {
      say(`${await keepEverything()} files are kept: this page works offline.`);
    } catch (error) {
      say(`Not all files could be kept: ${(error as Error).message}`);
    }
  };
  return (
    <div>
      <h3>Offline</h3>
      <button type="button" onClick={keep}>
        Keep this page for offline use
      </button>
      <p role="status" class="soft" data-test="kept">
        {said}
      </p>
    </div>
  );
}

/** Lets the browser save a file. */
export function offerDownload({ name, bytes }: OutputFile): void {
  const url = URL.createObjectURL(new Blob([bytes]));
  const link = Object.assign(document.createElement("a"), { href: url, download: name });
  link.click();
  // The browser reads the address after this task.
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
}

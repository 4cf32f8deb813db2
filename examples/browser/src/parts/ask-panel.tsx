import { useEffect, useId, useState } from "preact/hooks";
import type { RemoteLaboratory } from "../laboratory/connect.ts";
import type { DatasetSummary, QueryAnswer } from "../laboratory/protocol.ts";
import { Select } from "./fields.tsx";
import { Verdict } from "./map-panel.tsx";
import { cosine } from "./numbers.ts";
import { Panel } from "./panel.tsx";
import { PictureView } from "./picture-view.tsx";
import { type PictureStore, usePictures } from "./pictures.ts";
import type { Training } from "./use-training.ts";

interface AskPanelProps {
  readonly laboratory: RemoteLaboratory;
  readonly training: Training;
  readonly dataset: DatasetSummary | undefined;
  readonly pictures: PictureStore;
  readonly select: (image: number) => void;
}

const hitsShown = 12;

export function AskPanel({ laboratory, training, dataset, pictures, select }: AskPanelProps) {
  const id = useId();
  const [text, setText] = useState("a red seven");
  const names = dataset?.splits.map(({ split }) => split) ?? [];
  const [chosen, setChosen] = useState("val");
  const split = names.includes(chosen) ? chosen : (names[0] ?? "");
  const { result } = training.state;
  const [byEncoder, setByEncoder] = useState(false);
  const canByEncoder = result?.encoder?.hasText === true;
  const way = canByEncoder && byEncoder ? "encoder" : "model";
  const answer = useAnswer(laboratory, { ready: result && dataset, text, split, way });
  return (
    <Panel
      id="ask"
      title="Ask for regions"
      controls={
        <>
          <div class="field">
            <label for={id}>What to look for</label>
            <input
              id={id}
              type="search"
              value={text}
              disabled={!result}
              autocomplete="off"
              onInput={({ currentTarget }) => setText(currentTarget.value)}
            />
          </div>
          <Select label="Among" value={split} options={names} disabled={!result} change={setChosen} />
          {canByEncoder && (
            <label class="check">
              <input
                type="checkbox"
                checked={byEncoder}
                onChange={({ currentTarget }) => setByEncoder(currentTarget.checked)}
              />
              Free text, compared by your encoder alone
            </label>
          )}
          <p class="soft">
            {way === "encoder"
              ? "Regions are ranked by how near their embedding is to that of the text."
              : "Regions are ranked by their score; of two words, such as “red” and “seven”, the lower score counts."}
          </p>
          <p role="status" class="soft" data-test="answer">
            {answer?.hint} {answer && inWords(answer)}
          </p>
        </>
      }
    >
      {answer ? (
        <Hits {...{ answer, pictures, select }} />
      ) : (
        <p class="soft">With a model, “a red seven” finds red sevens, in any image.</p>
      )}
    </Panel>
  );
}

interface Question {
  /** Something that changes with the model and the data; nothing is asked without. */
  readonly ready: unknown;
  readonly text: string;
  readonly split: string;
  /** What compares: the mapping model, by attributes, or the encoder, by the text itself. */
  readonly way: "model" | "encoder";
}

function useAnswer(laboratory: RemoteLaboratory, { ready, text, split, way }: Question): QueryAnswer | undefined {
  const [answer, setAnswer] = useState<QueryAnswer>();
  useEffect(() => {
    if (!ready) {
      setAnswer(undefined);
      return;
    }
    let current = true;
    const ask = (): void => {
      const answering =
        way === "encoder"
          ? laboratory.queryByEncoder(text, split, hitsShown)
          : laboratory.query(text, split, hitsShown);
      answering.then(
        (next) => current && setAnswer(next),
        () => current && setAnswer(undefined),
      );
    };
    // The encoder is loaded for each question: not for every letter that is typed.
    const timer = setTimeout(ask, way === "encoder" ? 500 : 0);
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, [laboratory, ready, text, split, way]);
  return answer;
}

function inWords({ asked, hits, relevant }: QueryAnswer): string {
  if (asked === "") return "";
  if (relevant === undefined) return `The best regions for ${asked}.`;
  const best = hits.slice(0, Math.max(1, relevant));
  const right = best.filter(({ correct }) => correct).length;
  return relevant === 0
    ? `No region is truly ${asked}; these come nearest.`
    : `${asked}: true of ${relevant} ${relevant === 1 ? "region" : "regions"}; of the best ${best.length} found, ${right} ${right === 1 ? "is" : "are"} right.`;
}

function Hits({
  answer,
  pictures,
  select,
}: Pick<AskPanelProps, "pictures" | "select"> & { readonly answer: QueryAnswer }) {
  const found = usePictures(pictures, [...new Set(answer.hits.map(({ image }) => image))]);
  return (
    <ol class="hits" data-test="hits">
      {answer.hits.map(({ image, region, score, correct }) => {
        const picture = found.find((each) => each.image === image);
        const box = picture?.boxes[region];
        if (!picture || !box) return null;
        const truth = picture.truth?.[region];
        return (
          <li key={`${image} ${region}`} class={correct === undefined ? "" : correct ? "right" : "wrong"}>
            <button type="button" onClick={() => select(image)}>
              <PictureView
                {...{ picture, crop: box, boxes: "none" }}
                label={`Region ${region + 1} of image ${image}${truth ? `: ${truth.join(" ")}` : ""}`}
              />
              <span>
                {cosine(score)} {correct !== undefined && <Verdict name="" correct={correct} />}
              </span>
            </button>
          </li>
        );
      })}
    </ol>
  );
}
